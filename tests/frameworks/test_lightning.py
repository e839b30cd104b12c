"""Lightning trains, Holdfast prunes, Lightning resumes."""

import logging
import os

import pytest

from holdfast.scan import find_runs, scan

pytestmark = pytest.mark.framework("lightning")


@pytest.fixture
def train(tmp_path, makers):
    """``train(epochs, resume, **checkpoint options)``: the trainer, after a fit on two numbers."""

    def fit(epochs, *, resume=None, weights_only=False, **options):
        with makers.foreign_warnings():
            import lightning
            import torch
            from lightning.pytorch.callbacks import ModelCheckpoint

            logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

            class Module(lightning.LightningModule):
                def __init__(self):
                    super().__init__()
                    self.layer = torch.nn.Linear(4, 1)

                def training_step(self, batch, index):
                    return self.layer(batch).pow(2).mean()

                def validation_step(self, batch, index):
                    self.log("val_loss", torch.tensor(abs(2.0 - self.current_epoch) + 0.5))
                    self.log("val/acc", torch.tensor(0.1))

                def configure_optimizers(self):
                    return torch.optim.SGD(self.parameters(), 0.1)

            data = torch.utils.data.DataLoader(torch.randn(8, 4), batch_size=2)
            callback = ModelCheckpoint(dirpath=tmp_path / "run", save_weights_only=weights_only, **options)
            trainer = lightning.Trainer(
                default_root_dir=tmp_path, accelerator="cpu", devices=1, callbacks=[callback], max_epochs=epochs,
                enable_progress_bar=False, enable_model_summary=False, logger=False,
            )  # fmt: skip
            trainer.fit(Module(), data, data, ckpt_path=resume, weights_only=False if resume else None)
        return trainer

    return fit


def test_files_with_a_link_are_pruned_and_lightning_resumes_from_last(tmp_path, train, prune_run, seen):
    train(5, save_top_k=-1, save_last="link")
    run = tmp_path / "run"
    steps = {f"epoch={e}-step={4 * (e + 1)}.ckpt": ("complete", 4 * (e + 1)) for e in range(5)}
    assert ("lightning", steps) == seen(run)
    assert {"epoch=4-step=20.ckpt", "epoch=1-step=8.ckpt"} == prune_run(run, "latest(1) | every(steps=8) & at(8)")
    trainer = train(7, resume="last", save_top_k=-1, save_last="link")
    assert (7, 28) == (trainer.current_epoch, trainer.global_step)


def test_a_link_to_an_older_one_protects_it_and_is_relinked_on_demand(tmp_path, train, prune_run):
    train(4, save_top_k=-1, save_last="link")
    run, last = tmp_path / "run", tmp_path / "run" / "last.ckpt"
    last.unlink()
    last.symlink_to("epoch=1-step=8.ckpt")
    newest = "epoch=3-step=16.ckpt"
    assert {newest, "epoch=1-step=8.ckpt"} == prune_run(run, "latest(1)")
    assert {newest} == prune_run(run, "latest(1)", repoint=True)
    assert newest == os.readlink(last)
    assert 6 == train(6, resume="last", save_top_k=-1, save_last="link").current_epoch


def test_the_best_by_the_metric_in_the_name_stay_and_best_can_be_loaded(tmp_path, train, prune_run):
    train(5, monitor="val_loss", save_top_k=-1, save_last=True, filename="{epoch:02d}-{val_loss:.2f}")
    run = tmp_path / "run"
    best, newest = "epoch=02-val_loss=0.50.ckpt", "epoch=04-val_loss=2.50.ckpt"
    assert {best, newest} == prune_run(run, 'best(1, "val_loss", mode="min")')
    assert (run / "last.ckpt").is_file(), "a copy named last is never dropped"
    trainer = train(
        6, resume=str(run / "last.ckpt"), monitor="val_loss", save_top_k=-1, filename="{epoch:02d}-{val_loss:.2f}"
    )
    assert 6 == trainer.current_epoch


def test_a_metric_with_a_slash_makes_directories_that_are_each_one_checkpoint(tmp_path, train, prune_run, seen):
    train(3, monitor="val/acc", save_top_k=-1, filename="m-{epoch}-{val/acc:.3f}")
    run = tmp_path / "run"
    assert ("lightning", {f"m-epoch={e}-val": ("complete", 4 * (e + 1)) for e in range(3)}) == seen(run)
    assert {"m-epoch=2-val"} == prune_run(run, "latest(1)")
    assert 4 == train(4, resume=str(run / "m-epoch=2-val/acc=0.100.ckpt"), save_top_k=0).current_epoch


def test_weights_alone_are_complete_but_cannot_be_resumed_from(tmp_path, train):
    train(2, save_top_k=-1, weights_only=True)
    assert {("complete", False)} == {(str(c.status), c.resumable) for c in scan(tmp_path / "run").checkpoints}


def test_the_default_folders_are_one_run_each(tmp_path, makers, train):
    train(1, save_top_k=-1)
    (run,) = find_runs(tmp_path)
    assert (str((tmp_path / "run").resolve()), "epoch={epoch}-step={step}.ckpt") == (run.root, run.template)
