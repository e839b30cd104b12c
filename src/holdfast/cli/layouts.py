"""``holdfast layouts``: which frameworks' checkpoints are recognised."""

from __future__ import annotations

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson


def layouts(*, as_json: AsJson = False) -> Answer:
    """List the frameworks whose checkpoints are recognised, and the releases against which that was verified."""
    from holdfast.layouts import registry
    from holdfast.report.known import known

    found = registry.layouts()
    return Answer(
        as_json=as_json,
        document=lambda: {
            "schema": "holdfast.layouts/1",
            "layouts": [
                {"name": one.name, "title": one.title, "verified": one.verified, "atomic": one.atomic} for one in found
            ],
        },
        lines=lambda screen: known(found, screen),
    )
