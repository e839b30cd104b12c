"""``holdfast lint``: which laws a policy obeys."""

from __future__ import annotations

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Keep, PolicyText


def lint(policy: PolicyText = "", *, keep: Keep, as_json: AsJson = False) -> Answer:
    """Say which laws a policy obeys, with a small counter-example for each that it does not."""
