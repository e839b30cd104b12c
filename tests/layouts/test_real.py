"""Everything that the real frameworks wrote is seen for what it is."""

from pathlib import Path

from holdfast.scan import find_runs, scan

TABLE = Path(__file__).parent.parent / "data" / "real_checkpoints.tsv"


def expected():
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()[1:]]
    return {path: (layout, template, step, status, alias) for path, layout, template, step, status, alias in rows}


def seen(claims):
    return {
        path: (c.layout.name, c.candidate.template, str(c.step), c.status, "alias" if c.candidate.alias else "-")
        for path, c in claims.items()
    }


def test_every_recorded_checkpoint_is_seen_as_what_it_is_and_nothing_else_is_claimed(real, all_claims):
    assert expected() == seen(all_claims(real))


def test_checkpoints_of_all_frameworks_in_one_directory_are_told_apart(real, claims, files_of):
    files, wanted = {}, {}
    for path, row in expected().items():
        folder, _, name = path.rpartition("/")
        if name in wanted or "/trash/" in path:
            continue
        wanted[name] = row
        for member in (real / folder).glob(f"{name}*") if row[0] == "tensorflow" else [real / path]:
            inside = files_of(member) if member.is_dir() else {"": member.read_bytes()}
            files |= {f"{member.name}/{rest}".rstrip("/"): data for rest, data in inside.items()}
    assert wanted == seen(claims(files))


def test_the_scan_finds_the_same_runs_below_one_directory(real):
    """Aliases are in no series; what Orbax itself moved to its trash is no run."""
    wanted = {
        (path, row[0], row[1], row[2], row[3])
        for path, row in expected().items()
        if row[4] != "alias" and "/trash/" not in path
    }
    found = {
        (f"{Path(run.root).relative_to(real)}/{c.name}", run.layout, run.template, str(c.step), str(c.status))
        for run in find_runs(real)
        for c in run.checkpoints
    }
    assert wanted == found


def test_a_scan_of_one_run_sees_nothing_of_its_neighbours(real):
    for run in find_runs(real):
        alone = scan(run.root, layout=run.layout, template=run.template)
        assert (run.checkpoints, run.pointers, run.limits) == (alone.checkpoints, alone.pointers, alone.limits)
