"""How is a pointer made to name a checkpoint that stays, before the one that it names goes?"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from holdfast.checkpoint import Status
from holdfast.layouts.base import Look
from holdfast.layouts.registry import layout
from holdfast.prune import files, journal
from holdfast.stores.posix import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.checkpoint import Pointer
    from holdfast.plan import Plan
    from holdfast.prune.state import Home
    from holdfast.stores.base import Store


def repoint(plan: Plan, home: Home, store: Store) -> list[str]:
    """Rewrite each pointer that names a doomed checkpoint, atomically, in the framework's own format.

    Whatever cannot be rewritten stays, and so does the checkpoint that it names: the second look sees to that.
    Returns one sentence for each.
    """
    doomed = {decision.name for decision in plan.dropped}
    pointers = [p for p in plan.pointers if p.repointable and doomed.intersection(p.names)] if plan.repoint else []
    return [_rewrite(plan, home, store, pointer, sorted(doomed)) for pointer in pointers]


def _rewrite(plan: Plan, home: Home, store: Store, pointer: Pointer, doomed: Sequence[str]) -> str:
    to = _newest_kept(plan)
    new = layout(plan.layout).repoint(pointer, Look(store, ""), to, without=doomed)
    if not new:
        return f"{pointer.path} cannot be rewritten; what it names stays"
    try:
        _write(home, new)
    except OSError as cause:
        return f"{pointer.path} could not be rewritten ({cause.strerror}); what it names stays"
    journal.append(home, "repointed", [{"path": path, "from": pointer.names, "to": to} for path in new])
    return f"{pointer.path} names {to} now"


def _newest_kept(plan: Plan) -> str | None:
    whole = [d for d in plan.kept if d.status is Status.COMPLETE and d.step is not None]
    return max(whole, key=lambda d: d.step or 0).name if whole else None


def _write(home: Home, new: Mapping[str, bytes | str]) -> None:
    for path, content in new.items():
        with files.parent_of(home.fs, path, home.root_fd) as (fd, name):
            _swap(home, fd, name, content)


def _swap(home: Home, fd: int, name: str, content: bytes | str) -> None:
    """Made in the state directory, then renamed over the old one: nothing foreign ever lies in the run."""
    made = f".{files.token()}.new"
    old = files.here(home.fs, name, fd)
    try:
        if isinstance(content, str):
            home.fs.symlink(content, made, dir_fd=home.state)
        else:
            files.create(home.fs, made, content, home.state)
            if old is not None and stat.S_ISREG(old.st_mode):
                _same_mode(home, made, old.st_mode)
        home.fs.rename(made, name, source_fd=home.state, target_fd=fd)
    except BaseException:
        files.remove(home.fs, made, home.state)
        raise
    home.fs.fsync(fd)


def _same_mode(home: Home, made: str, mode: int) -> None:
    with files.opened(home.fs, made, FILE, dir_fd=home.state) as fd:
        home.fs.chmod(fd, stat.S_IMODE(mode))
