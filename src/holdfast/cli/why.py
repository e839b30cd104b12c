"""``holdfast why``: the reasons for one checkpoint."""

from __future__ import annotations

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Care, Directory, Keep, Look, PolicyText, State, Which


def why(
    directory: Directory,
    step: Which,
    policy: PolicyText = "",
    *,
    keep: Keep,
    look: Look,
    care: Care,
    state: State,
    as_json: AsJson = False,
) -> Answer:
    """Say why one checkpoint would stay or go: every rule that keeps it, or by how much each misses it."""
    from holdfast.cli.work import chosen, planned
    from holdfast.report.timeline import because

    made = planned(directory, policy, keep, look, care, state)
    decision = chosen(made, step)
    return Answer(
        as_json=as_json,
        document=lambda: {
            "schema": "holdfast.why/1",
            "root": made.root,
            "policy": made.policy,
            "now": made.now,
            "decision": decision,
        },
        lines=lambda screen: because(made, decision, screen),
    )
