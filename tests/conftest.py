"""What do all tests share?"""

import tarfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """Checkpoints that the real frameworks wrote, one folder for each, with their times. Only to be read: copy them."""
    where = tmp_path_factory.mktemp("real")
    with tarfile.open(Path(__file__).parent / "data" / "real.tar.xz") as archive:
        archive.extractall(where, filter="tar")
    return where
