"""Checkpoints that do not fit the training, and the newest checkpoint of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cthulhu.models import Lump
from cthulhu_core import Callback, CheckpointError
from cthulhu_core.checkpoints.resume import ResumeWarning
from resumable import DATA, EPOCHS, Drift, Save, X, Y, new_model, seed, summon

pytestmark = pytest.mark.usefixtures("saved")


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
