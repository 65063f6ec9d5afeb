"""A training that is resumed at any save point ends with the bits of the one that was never interrupted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from cthulhu.models import Lump
from cthulhu_core import Callback, CheckpointError, Run
from cthulhu_core.checkpoints.resume import ResumeWarning
from foreign import install

# A file format as somebody else may write it: this one keeps what would be in the file, as text and tensors.
FORMAT = """
    import os

    from cthulhu_core import Checkpoint, hookimpl
    from cthulhu_core.checkpoints.packing import pack, unpack

    saved = {}

    @hookimpl
    def cthulhu_save_model(run, model, filepath, weights_only):
        if os.fspath(filepath).endswith(".mem"):
            checkpoint = Checkpoint.of(model, run, weights_only).copied()
            saved[os.fspath(filepath)] = checkpoint.weights, checkpoint.extra, pack(checkpoint.state)
            return True

    @hookimpl
    def cthulhu_load_checkpoint(filepath):
        if os.fspath(filepath).endswith(".mem"):
            weights, extra, state = saved[os.fspath(filepath)]
            return Checkpoint(weights, extra, unpack(*state))
"""

EPOCHS, BATCHES = 3, 4
X = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
Y = (X.sum(1) > 0).long()


@pytest.fixture(autouse=True)
def saved(site: Path) -> dict[str, Any]:
    """What has been saved in the format ``.mem``, by path."""
    install(site, "memory-format", modules={"memory_format": FORMAT}, plugins={"memory": "memory_format"})
    import importlib

    return importlib.import_module("memory_format").saved


class Save(Callback):
    """Saves at every save point, as ``<epoch>-<batch>.mem``."""

    def on_save_point(self) -> None:
        self.run.save("{}-{}.mem".format(*self.run.next_batch))


class Drift(Callback):
    """Changes the rate at each batch, from what it remembers."""

    def on_train_begin(self, logs: Any) -> None:
        self.seen = 0

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.seen += 1
        self.model.optimizer.param_groups[0]["lr"] *= 0.99 + 0.001 * (self.seen % 3)

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.model.optimizer.param_groups[0]["lr"] *= 1.1

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        logs["seen"] = self.seen

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def new_model(metrics: Any = None, **options: Any) -> Lump:
    model = Lump(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 2)))
    model.conjure(
        lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9),
        nn.CrossEntropyLoss(),
        metrics or ["acc"],
        **options,
    )
    return model


class Noisy(Dataset[Any]):
    """Draws from all generators whenever a sample is read."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Any:
        noise = random.random() + np.random.rand() + torch.rand(1).item()
        return X[index] + 0.01 * noise, Y[index]


def batches_for_ever() -> Iterator[Any]:
    number = 0
    while True:
        yield X[number % 3 :: 4], Y[number % 3 :: 4]
        number += 1


DATA: dict[str, Callable[[], dict[str, Any]]] = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 8, "validation_split": 0.1},
    "arrays in order": lambda: {"x": X, "y": Y, "batch_size": 8, "shuffle": False},
    "loader": lambda: {"x": DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=True)},
    "loader that draws": lambda: {"x": DataLoader(Noisy(), batch_size=8, shuffle=True)},
    "loader with workers": lambda: {"x": DataLoader(Noisy(), batch_size=8, shuffle=True, num_workers=1)},
    "generator": lambda: {"x": batches_for_ever(), "steps_per_epoch": BATCHES},
}


def seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number)
    random.seed(number)


def outcome(model: Lump, history: dict[str, Any]) -> dict[str, Any]:
    return {
        "history": history,
        "weights": {name: weight.tolist() for name, weight in model.state_dict().items()},
        "optimizer": {
            number: state["momentum_buffer"].tolist() for number, state in model.optimizer.state_dict()["state"].items()
        },
        "lr": model.optimizer.param_groups[0]["lr"],
        "random": (random.random(), np.random.rand(), torch.rand(1).item()),
    }


def summon(data: Callable[[], dict[str, Any]], callbacks: list[Callback], metrics: Any = None, **arguments: Any) -> Any:
    model = new_model(metrics)
    history = model.summon(**data(), epochs=EPOCHS, verbose=0, callbacks=callbacks, **arguments)
    return outcome(model, history.history)


@pytest.mark.parametrize("kind", DATA)
def test_resumed_at_any_save_point_it_ends_with_the_same_bits(kind: str, saved: dict[str, Any]) -> None:
    seed(0)
    whole = summon(DATA[kind], [Drift(), Save()])
    assert len(whole["history"]["loss"]) == EPOCHS
    points = sorted(saved)
    assert len(points) == EPOCHS * (BATCHES + 1)
    for number, point in enumerate(points):
        seed(100 + number)
        assert summon(DATA[kind], [Drift(), Save()], resume_from=point) == whole, point


def test_metrics_that_keep_a_state_go_on(saved: dict[str, Any]) -> None:
    def metrics() -> Any:
        return [torchmetrics.Accuracy("multiclass", num_classes=2), "acc"]

    seed(0)
    whole = summon(DATA["arrays"], [Drift(), Save()], metrics())
    for point in sorted(saved):
        seed(1)
        assert summon(DATA["arrays"], [Drift(), Save()], metrics(), resume_from=point) == whole, point


@pytest.mark.parametrize("options", [{"accumulate": 3}, {"accumulate": 2, "autocast": "float16"}])
def test_gradients_that_wait_for_more_batches_and_the_scale_of_the_loss_go_on(
    saved: dict[str, Any], options: dict[str, Any]
) -> None:
    def train(**arguments: Any) -> Any:
        model = new_model(**options)
        # So large that the scale of the loss falls on the way.
        history = model.summon(X * 100, Y, 8, EPOCHS, verbose=0, callbacks=[Drift(), Save()], **arguments)
        return outcome(model, history.history)

    seed(0)
    whole = train()
    for number, point in enumerate(sorted(saved)):
        seed(100 + number)
        assert train(resume_from=point) == whole, point


def test_what_a_loop_keeps_goes_on(saved: dict[str, Any]) -> None:
    def train(keep: bool = True, **arguments: Any) -> Any:
        model = new_model()
        scheduler = torch.optim.lr_scheduler.StepLR(model.optimizer, 3, gamma=0.5)
        run = Run(model, model.optimizer, EPOCHS, [Save()], **arguments)
        if keep:
            run.keep("scheduler", scheduler)
        with run:
            for _ in run.epochs():
                for x, y in run.batches(DataLoader(TensorDataset(X, Y), batch_size=8)):
                    loss = nn.functional.cross_entropy(model(x), y)
                    model.optimizer.zero_grad()
                    loss.backward()
                    model.optimizer.step()
                    run.record(loss=loss)
                    scheduler.step()
        return scheduler.get_last_lr(), outcome(model, run.history.history)

    seed(0)
    whole = train()
    assert whole[0] == [pytest.approx(0.1 * 0.5**4)]
    for point in sorted(saved):
        seed(1)
        assert train(resume_from=point) == whole, point
    with pytest.warns(ResumeWarning, match="kept scheduler, but this one does not: their state is ignored"):
        train(keep=False, resume_from="1-2.mem")


def test_what_is_kept_is_said_before_training() -> None:
    with Run(new_model()) as run, pytest.raises(RuntimeError, match="training has begun: call it before `with run:`"):
        run.keep("scaler", torch.amp.GradScaler("cpu"))


def test_a_loop_by_hand_goes_on(saved: dict[str, Any]) -> None:
    def train(**arguments: Any) -> Any:
        model = new_model()
        loader = DataLoader(Noisy(), batch_size=8, shuffle=True)
        model.train()
        with Run(model, model.optimizer, EPOCHS, [Drift(), Save()], **arguments) as run:
            for _ in run.epochs():
                for x, y in run.batches(loader):
                    loss = nn.functional.cross_entropy(model(x), y)
                    model.optimizer.zero_grad()
                    loss.backward()
                    model.optimizer.step()
                    run.record(loss=loss)
        return outcome(model, run.history.history)

    seed(0)
    whole = train()
    for point in sorted(saved):
        seed(1)
        assert train(resume_from=point) == whole, point


def test_a_model_saved_after_training_goes_on_to_more_epochs(saved: dict[str, Any]) -> None:
    seed(0)
    whole = summon(DATA["arrays"], [Drift()])
    seed(0)
    model = new_model()
    model.summon(**DATA["arrays"](), epochs=2, verbose=0, callbacks=[Drift()])
    model.save("after.mem")
    assert summon(DATA["arrays"], [Drift()], resume_from="after.mem") == whole


def test_interrupted_training_can_be_saved_and_resumed(saved: dict[str, Any]) -> None:
    class Interrupt(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            if self.run.step == 6:
                raise KeyboardInterrupt

    seed(0)
    whole = summon(DATA["arrays"], [Drift()])
    seed(0)
    model = new_model()
    with pytest.raises(KeyboardInterrupt):
        model.summon(**DATA["arrays"](), epochs=EPOCHS, verbose=0, callbacks=[Drift(), Interrupt()])
    model.save("interrupted.mem")
    with pytest.warns(ResumeWarning, match="Interrupt is no longer among the callbacks"):
        assert summon(DATA["arrays"], [Drift()], resume_from="interrupted.mem") == whole


def test_whole_training_resumed_trains_nothing(saved: dict[str, Any]) -> None:
    seed(0)
    whole = summon(DATA["arrays"], [Drift(), Save()])
    assert summon(DATA["arrays"], [Drift(), Save()], resume_from=f"{EPOCHS}-0.mem") == whole


def test_a_stop_that_was_asked_for_is_kept(saved: dict[str, Any]) -> None:
    class Stop(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            if self.run.step == 6:
                self.run.stop()

    seed(0)
    whole = summon(DATA["arrays"], [Stop(), Save()])
    assert len(whole["history"]["loss"]) == 2
    assert sorted(saved)[-2:] == ["1-2.mem", "2-0.mem"]
    for point in saved:
        assert summon(DATA["arrays"], [Stop(), Save()], resume_from=point) == whole, point


# --- what does not fit ------------------------------------------------------------------------------------------------


@pytest.fixture
def point() -> str:
    """A checkpoint in the middle of an epoch."""
    seed(0)
    summon(DATA["arrays"], [Drift(), Save()])
    return "1-2.mem"


def resume(point: str, model: Lump | None = None, callbacks: Any = None, **arguments: Any) -> Lump:
    model = model or new_model()
    defaults = {**DATA["arrays"](), "epochs": EPOCHS, "verbose": 0, "callbacks": callbacks or [Drift(), Save()]}
    model.summon(**{**defaults, **arguments}, resume_from=point)
    return model


def test_other_architecture_is_refused_with_every_difference_and_the_model_is_as_it_was(point: str) -> None:
    model = Lump(nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 2)))
    model.conjure("sgd", nn.CrossEntropyLoss())
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        resume(point, model)
    message = str(caught.value)
    assert message.startswith(f"{point}: its weights are those of another architecture")
    assert "0/weight: (9, 6) here, (8, 6) in the checkpoint" in message
    assert "3/bias: (2,) here, not in the checkpoint" in message
    assert "4/weight: not here, (2, 8) in the checkpoint" in message
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_other_optimizer_is_refused(point: str) -> None:
    model = new_model()
    model.conjure("adam", nn.CrossEntropyLoss(), ["acc"])
    with pytest.raises(CheckpointError, match="its optimizer is SGD, this training has Adam: conjure the model with"):
        resume(point, model)


def test_optimizer_with_other_groups_is_refused(point: str) -> None:
    model = new_model()
    weights = list(model.parameters())
    model.conjure(torch.optim.SGD([{"params": weights[:2]}, {"params": weights[2:]}], lr=0.1), nn.CrossEntropyLoss())
    with pytest.raises(CheckpointError, match=r"its optimizer has the parameters .* in its groups"):
        resume(point, model)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"batch_size": 4}, "batch_size was 8 and is 4"), ({"x": X[:20], "y": Y[:20]}, "samples was 27 and is 18")],
)
def test_other_data_in_the_midst_of_an_epoch_is_refused(point: str, change: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError, match=rf"it was saved at batch 2 of epoch 1 \(from 0\).*{said}"):
        resume(point, **change)


def test_other_data_from_the_end_of_an_epoch_is_fine(point: str) -> None:
    assert resume("2-0.mem", batch_size=4).history.epoch == [0, 1, 2]


def test_shuffling_that_was_not_there_is_refused(point: str) -> None:
    with pytest.raises(ValueError, match="shuffle is False, and it was True when this epoch began"):
        resume(point, shuffle=False)


def test_initial_epoch_beside_resume_from_is_refused(point: str) -> None:
    with pytest.raises(ValueError, match="initial_epoch is 1, but resume_from decides where to begin: pass only one"):
        resume(point, initial_epoch=1)


def test_weights_alone_cannot_be_resumed(saved: dict[str, Any]) -> None:
    new_model().save_weights("weights.mem")
    with pytest.raises(
        CheckpointError, match=r"weights\.mem: it holds no training to resume: .* saved as weights alone"
    ):
        resume("weights.mem")


def test_model_that_was_never_trained_cannot_be_resumed(saved: dict[str, Any]) -> None:
    new_model().save("fresh.mem")
    with pytest.raises(CheckpointError, match=r"fresh\.mem: it holds no training to resume: .* saved outside training"):
        resume("fresh.mem")


def test_callbacks_that_are_missing_or_new_are_named(point: str) -> None:
    class Other(Callback):
        pass

    with pytest.warns(ResumeWarning) as caught:
        resume(point, callbacks=[Other()])
    (warning,) = caught
    assert str(warning.message).splitlines() == [
        "the resumed run differs from the saved one:",
        "  Drift is no longer among the callbacks: its state is ignored",
        "  Save is no longer among the callbacks: its state is ignored",
        "  Other is a new callback: it starts afresh",
    ]


def test_packages_of_other_versions_and_missing_ones_are_named(
    point: str, saved: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cthulhu_core.installed.manifest.__version__", "0.0.9")
    weights, extra, (text, tensors) = saved[point]
    saved["other.mem"] = weights, extra, (text.replace("memory-format", "acme-gone"), tensors)
    with pytest.warns(ResumeWarning) as caught:
        resume("other.mem")
    (warning,) = caught
    assert str(warning.message).splitlines()[1:] == [
        "  cthulhu-core was 0.1.0 and is 0.0.9",
        "  acme-gone was 1.0 and is not here",
    ]


def test_state_that_a_callback_refuses_is_an_error_that_names_it(point: str) -> None:
    class Drift(Callback):
        def load_state_dict(self, state: dict[str, Any]) -> None:
            raise KeyError("missing")

    with pytest.raises(CheckpointError, match="Drift cannot load its state: 'missing'"):
        resume(point, callbacks=[Drift(), Save()])


def test_checkpoint_that_was_saved_within_a_hook_says_so(saved: dict[str, Any]) -> None:
    class Within(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.run.save("within.mem")

    seed(0)
    summon(DATA["arrays"], [Within()])
    with pytest.warns(ResumeWarning, match="saved within a hook, not at a save point: callbacks that come after"):
        resume("within.mem", callbacks=[Within()])


# --- folders ----------------------------------------------------------------------------------------------------------


def test_newest_checkpoint_of_a_folder_is_taken(tmp_path: Path, saved: dict[str, Any]) -> None:
    import os

    folder = tmp_path / "checkpoints"
    folder.mkdir()

    class SaveThere(Callback):
        def on_save_point(self) -> None:
            file = folder / "{}-{}.mem".format(*self.run.next_batch)
            self.run.save(file)
            self.run.save(folder / "weights.mem", weights_only=True)
            for each, age in ((file, self.run.step), (folder / "weights.mem", 10_000)):
                each.touch()
                os.utime(each, (age, age))

    seed(0)
    whole = summon(DATA["arrays"], [Drift(), SaveThere()])
    (folder / "notes.txt").write_text("not ours")
    for newer in ("2-2.mem", "2-3.mem", "2-4.mem", "3-0.mem"):
        (folder / newer).unlink()
    seen: list[tuple[int, int]] = []

    class Look(SaveThere):
        def on_batch_begin(self, batch: int, logs: Any) -> None:
            seen.append(self.run.next_batch)

    Look.__name__ = "SaveThere"
    seed(1)
    assert summon(DATA["arrays"], [Drift(), Look()], resume_from=folder) == whole
    assert seen[0] == (2, 1)


def test_folder_without_a_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no file in this folder is a whole checkpoint of model and training"):
        resume(str(tmp_path))


def test_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere: there is no such file or folder"):
        resume(str(tmp_path / "nowhere"))
