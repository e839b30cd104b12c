"""Values as plain JSON: what ``--json`` prints."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any


def dumps(document: object) -> str:
    """How is it written as one JSON document? In ASCII: names that are no text stay escaped, so that any reader can."""
    return json.dumps(plain(document), ensure_ascii=True, allow_nan=False, indent=1)


def plain(value: Any) -> Any:  # noqa: ANN401 - any value becomes plain JSON
    """What is the value in lists, dicts, strings and numbers? NaN and infinities become ``{"float": "nan"}``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:  # noqa: ANN401 - any value becomes plain JSON
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if hasattr(value, "__float__"):
        number = float(value)
        return number if math.isfinite(number) else {"float": repr(number)}
    return repr(value)
