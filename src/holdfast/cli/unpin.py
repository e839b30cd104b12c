"""``holdfast unpin``: let a pinned checkpoint go again."""

from __future__ import annotations

from holdfast.cli.answer import Answer
from holdfast.cli.groups import AsJson, Directory, Look, State, Which


def unpin(directory: Directory, step: Which, *, look: Look, state: State, as_json: AsJson = False) -> Answer:
    """Take a pin off. From then on the policy alone decides."""
    from holdfast.cli.work import one_checkpoint
    from holdfast.prune import pins
    from holdfast.prune import unpin as unpinned

    where = state.state_dir or None
    names = {hold.name for hold in pins(directory, state_dir=where)}
    name = step if step in names else one_checkpoint(directory, step, look)[1].name
    unpinned(directory, name, state_dir=where)
    return Answer(
        as_json=as_json,
        document=lambda: {"schema": "holdfast.unpin/1", "name": name},
        lines=lambda screen: [screen.plain(f"unpinned {name}")],
    )
