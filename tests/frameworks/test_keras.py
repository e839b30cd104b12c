"""Keras saves, Holdfast prunes, Keras loads."""

import os

import numpy as np
import pytest

from holdfast.scan import scan

pytestmark = pytest.mark.framework("keras")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


@pytest.fixture
def keras(makers):
    with makers.foreign_warnings():
        return pytest.importorskip("keras")


@pytest.fixture
def fit(keras, makers):
    """``fit(*callbacks, epochs=)``: a model that learned to add."""

    def train(*callbacks, epochs=4):
        x = np.random.default_rng(0).random((32, 4)).astype("f4")
        y = x.sum(1, keepdims=True)
        with makers.foreign_warnings():
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            model.compile("adam", "mse")
            model.fit(x, y, validation_data=(x, y), epochs=epochs, batch_size=8, verbose=0, callbacks=list(callbacks))
        return model

    return train


def test_whole_models_are_pruned_and_loaded(tmp_path, keras, fit, prune_run, seen):
    fit(keras.callbacks.ModelCheckpoint(tmp_path / "m-{epoch:02d}.keras"))
    assert ("keras", {f"m-{e:02}.keras": ("complete", e) for e in range(1, 5)}) == seen(tmp_path)
    assert {"m-02.keras", "m-04.keras"} == prune_run(tmp_path, "every(steps=2)")
    assert 5 == keras.models.load_model(tmp_path / "m-04.keras").count_params()


def test_weights_are_pruned_and_loaded(tmp_path, keras, fit, prune_run):
    model = fit(keras.callbacks.ModelCheckpoint(tmp_path / "w-{epoch}.weights.h5", save_weights_only=True))
    assert {"w-4.weights.h5"} == prune_run(tmp_path, "latest(1)")
    model.load_weights(tmp_path / "w-4.weights.h5")


def test_the_best_by_the_metric_that_a_name_spells_out_stays(tmp_path, keras, fit, prune_run):
    fit(keras.callbacks.ModelCheckpoint(tmp_path / "epoch={epoch}-val_loss={val_loss:.4f}.keras"))
    left = prune_run(tmp_path, 'best(1, "val_loss", mode="min") | latest(1)')
    assert all(name.startswith("epoch=4") for name in left), "the loss falls: the best is the newest"


def test_a_backup_is_seen_protected_and_restored_from(tmp_path, keras, fit):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    backup = tmp_path / "run" / "backup"
    with pytest.raises(KeyboardInterrupt):
        fit(keras.callbacks.BackupAndRestore(backup), Stop())
    fit(keras.callbacks.ModelCheckpoint(tmp_path / "run" / "m-{epoch}.keras"), epochs=2)
    run = scan(tmp_path / "run")
    assert ("keras", 2) == (run.layout, len(run.checkpoints))
    assert ["backup"] == [foreign.path for foreign in run.foreign]
    fit(keras.callbacks.BackupAndRestore(backup), epochs=3)
    assert not backup.exists(), "Keras deletes it at the end of a finished run"
