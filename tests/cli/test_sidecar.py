"""Metrics from a log beside the checkpoints."""

import math

import pytest

from holdfast.checkpoint import Checkpoint, Run
from holdfast.errors import UsageError
from holdfast.sidecar import Sidecar


def test_a_json_lines_log_gives_the_metrics_of_each_step():
    data = b'{"step": 10, "eval/loss": 0.5, "note": "x"}\n{"step": 20, "eval": {"loss": 0.25}}\n'
    assert Sidecar("m").by_step(data) == {10: {"eval/loss": 0.5}, 20: {"eval/loss": 0.25}}


def test_only_the_named_columns_are_taken():
    found = Sidecar.parse("m.jsonl:it,loss").by_step(b'{"it": 1, "loss": 2, "lr": 3}')
    assert found == {1: {"loss": 2.0}}


def test_a_csv_log_with_empty_cells_is_read_as_lightning_writes_it():
    data = b"epoch,step,train_loss,val_loss\n0,9,0.5,\n0,9,,0.7\n"
    assert Sidecar("m.csv").by_step(data) == {9: {"epoch": 0.0, "train_loss": 0.5, "val_loss": 0.7}}


def test_the_later_value_of_a_step_counts():
    assert Sidecar("m").by_step(b'{"step": 1, "a": 1}\n{"step": 1, "a": 2}') == {1: {"a": 2.0}}


def test_a_torn_last_line_is_passed_over():
    assert Sidecar("m").by_step(b'{"step": 1, "a": 1}\n{"step": 2, "a"') == {1: {"a": 1.0}}


def test_nan_is_a_value():
    assert math.isnan(Sidecar("m").by_step(b'{"step": 1, "a": NaN}')[1]["a"])


@pytest.mark.parametrize("text", [":step", "m.jsonl:,a", "m.jsonl:step,,a", ""])
def test_a_sidecar_that_says_too_little_is_refused(text):
    with pytest.raises(UsageError, match=r"metrics\.jsonl:step,eval/loss"):
        Sidecar.parse(text)


def test_a_log_without_the_step_column_is_refused_instead_of_giving_no_metrics():
    with pytest.raises(UsageError, match="'iter'"):
        Sidecar("m", step="iter").by_step(b'{"step": 1}')


def test_metrics_are_added_to_those_that_are_there():
    run = Run(
        root="/r",
        layout="series",
        template="s",
        checkpoints=(Checkpoint(name="a", step=1, metrics={"x": 1}), Checkpoint(name="b", step=2)),
    )
    attached = Sidecar("m").attach(run, b'{"step": 1, "y": 2}')
    assert [c.metrics for c in attached.checkpoints] == [{"x": 1, "y": 2.0}, None]


def test_steps_that_a_float_cannot_tell_apart_are_told_apart():
    data = b'{"step": 9007199254740993, "a": 1}'
    assert Sidecar("m").by_step(data) == Sidecar("m").by_step(b"step,a\n9007199254740993,1") == {2**53 + 1: {"a": 1.0}}
    with pytest.raises(UsageError, match="whole number"):
        Sidecar("m").by_step(b"step,a\n9007199254740993.0,1")


def test_only_a_newline_ends_a_line():
    data = '{"step": 1, "note": "a\u2028b", "a": 1}\n{"step": 2, "a": 2}'.encode()
    assert Sidecar("m").by_step(data) == {1: {"a": 1.0}, 2: {"a": 2.0}}


@pytest.mark.parametrize("data", [b"step,a\r\n1,2\r\n", b'{"step": 1, "a": 2}\n'])
def test_a_byte_order_mark_is_no_part_of_the_first_name(data):
    assert Sidecar("m").by_step(b"\xef\xbb\xbf" + data) == {1: {"a": 2.0}}


def test_a_cell_that_is_too_long_is_refused():
    with pytest.raises(UsageError, match="cannot be read as CSV"):
        Sidecar("m").by_step(b"step,a\n1," + b"x" * 200_000)
