"""What `import holdfast` gives, and what it costs."""

import subprocess
import sys

import pytest

import holdfast


@pytest.mark.parametrize("name", holdfast.__all__)
def test_every_public_name_is_there(name):
    assert getattr(holdfast, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="lastest"):
        _ = holdfast.lastest


def test_import_alone_imports_nothing_else():
    code = (
        "import sys, holdfast; print(sorted(m for m in sys.modules if m.startswith(('numpy', 'typer', 'holdfast.'))))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_words_of_a_policy_compose_from_the_top_level():
    policy = holdfast.latest(3) | holdfast.every(steps=1000) & holdfast.best(2, "loss", mode="min")
    assert holdfast.parse(str(policy)) == policy
