"""What do all tests share?"""

import importlib.util
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


@pytest.fixture(scope="session")
def makers():
    """Small runs of the real trainers: ``tests/frameworks/makers.py``."""
    spec = importlib.util.spec_from_file_location("makers", Path(__file__).parent / "frameworks" / "makers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
