"""The store in memory does what the file system does, whatever is done in whatever order."""

from __future__ import annotations

import shutil
import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdfast.errors import ExistsError, NotFoundError, StoreError
from holdfast.stores import Kind, LocalStore, MemoryStore

PATHS = st.lists(st.sampled_from(["a", "b", "\udcff c"]), min_size=1, max_size=3).map("/".join)


def outcome(act):
    """What came of it: a value, or which of our errors."""
    try:
        return act()
    except StoreError as error:
        return next(kind for kind in (NotFoundError, ExistsError, StoreError) if isinstance(error, kind))


class Twins(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.disk, self.memory = LocalStore(self.folder), MemoryStore()

    def teardown(self):
        self.disk.close()
        shutil.rmtree(self.folder)

    def both(self, act):
        on_disk, in_memory = outcome(lambda: act(self.disk)), outcome(lambda: act(self.memory))
        assert on_disk == in_memory

    @rule(path=PATHS, data=st.binary(max_size=5), replace=st.booleans())
    def write(self, path, data, replace):
        failed = [
            isinstance(outcome(lambda s=s: s.write(path, data, replace=replace)), type)
            for s in (self.disk, self.memory)
        ]
        assert failed[0] == failed[1]

    @rule(old=PATHS, new=PATHS)
    def move(self, old, new):
        failed = [isinstance(outcome(lambda s=s: s.move(old, new)), type) for s in (self.disk, self.memory)]
        assert failed[0] == failed[1]

    @rule(paths=st.lists(PATHS, max_size=3))
    def delete(self, paths):
        self.both(lambda store: sorted(store.delete(paths)))

    @rule(path=PATHS, start=st.integers(-7, 7), limit=st.integers(0, 7))
    def read(self, path, start, limit):
        self.both(lambda store: store.read(path, start=start, limit=limit))

    @rule(path=PATHS)
    def look(self, path):
        self.both(lambda store: (store.stat(path) or (None,) * 3)[:3])
        self.both(lambda store: sorted((entry.path, entry.kind) for entry in store.list(path)))
        self.both(lambda store: sorted(entry[:3] for entry in store.list(path, stat=True)))
        self.both(lambda store: sorted(entry[:3] for entry in store.tree(path)))

    @invariant()
    def same(self):
        disk, memory = self.disk.tree(""), self.memory.tree("")
        assert sorted(entry[:3] for entry in disk) == sorted(entry[:3] for entry in memory)
        for entry in disk:
            if entry.kind is Kind.FILE:
                assert self.disk.read(entry.path) == self.memory.read(entry.path)


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
