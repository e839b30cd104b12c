"""TensorFlow saves, Holdfast prunes, TensorFlow restores: also after its state file was rewritten."""

import os

import pytest

pytestmark = pytest.mark.framework("tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def tf(makers):
    with makers.foreign_warnings():
        return pytest.importorskip("tensorflow")


@pytest.fixture
def manager(tf):
    """``manager(path, **options)``: a manager, and the variable that it saves."""

    def make(path, **options):
        value = tf.Variable(0.0)
        return tf.train.CheckpointManager(tf.train.Checkpoint(v=value), str(path), max_to_keep=None, **options), value

    return make


def save(tf, manager, value, numbers):
    for number in numbers:
        value.assign(float(number))
        manager.save(checkpoint_number=number)


def restored(tf, path):
    value = tf.Variable(-1.0)
    latest = tf.train.latest_checkpoint(str(path))
    tf.train.Checkpoint(v=value).read(latest).expect_partial()
    return os.path.basename(latest), float(value.numpy())


def test_a_managers_checkpoints_are_pruned_and_the_latest_is_restored(tmp_path, tf, manager, prune_run, seen):
    made, value = manager(tmp_path)
    save(tf, made, value, range(100, 700, 100))
    assert ("tensorflow", {f"ckpt-{n}": ("complete", n) for n in range(100, 700, 100)}) == seen(tmp_path)
    assert {"ckpt-300", "ckpt-600"} == prune_run(tmp_path, "every(steps=300)")
    assert ("ckpt-600", 600.0) == restored(tf, tmp_path)
    again, value = manager(tmp_path)
    save(tf, again, value, [700])
    assert ("ckpt-700", 700.0) == restored(tf, tmp_path)


def test_what_the_state_file_names_is_kept_until_it_names_another(tmp_path, tf, manager, prune_run):
    made, value = manager(tmp_path)
    save(tf, made, value, [1, 2, 3])
    tf.compat.v1.train.update_checkpoint_state(
        str(tmp_path), str(tmp_path / "ckpt-2"), [str(tmp_path / f"ckpt-{n}") for n in (1, 3, 2)]
    )
    assert {"ckpt-2", "ckpt-3"} == prune_run(tmp_path, "latest(1)"), (
        "without what it names TensorFlow finds none at all"
    )
    assert ("ckpt-2", 2.0) == restored(tf, tmp_path)
    assert {"ckpt-3"} == prune_run(tmp_path, "latest(1)", repoint=True)
    assert ("ckpt-3", 3.0) == restored(tf, tmp_path)
    again, value = manager(tmp_path)
    assert str(tmp_path / "ckpt-3") == again.restore_or_initialize()


def test_checkpoints_of_the_old_saver_are_pruned_with_their_graphs(tmp_path, tf, prune_run):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variable = tf.compat.v1.get_variable("x", [2])
        saver = tf.compat.v1.train.Saver([variable], max_to_keep=None)
        session.run(tf.compat.v1.global_variables_initializer())
        for step in (1, 2, 3):
            saver.save(session, str(tmp_path / "model.ckpt"), global_step=step)
        assert {"model.ckpt-3"} == prune_run(tmp_path, "latest(1)")
        saver.restore(session, tf.train.latest_checkpoint(str(tmp_path)))
    assert {"checkpoint", "model.ckpt-3.index", "model.ckpt-3.meta", "model.ckpt-3.data-00000-of-00001"} == {
        path.name for path in tmp_path.iterdir()
    }
