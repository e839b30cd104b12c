"""``holdfast lint``: which laws a policy obeys."""

from __future__ import annotations

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Keep, PolicyText


def lint(policy: PolicyText = "", *, keep: Keep, as_json: AsJson = False) -> Answer:
    """Say which laws a policy obeys, with a smallest counter-example for each that it does not.

    A run is pruned again and again. Under a policy that obeys them, what survives does not depend on when.
    """
    from holdfast.cli.keeping import policy_of
    from holdfast.policies.laws import lint as linted
    from holdfast.report.laws import laws

    found = linted(policy_of(policy, keep, "UTC"))
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.lint/1", **found.to_plain()},
        lines=lambda screen: laws(found, screen),
    )
