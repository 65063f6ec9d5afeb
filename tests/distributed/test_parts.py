"""Folders ``.dcp``: what processes hold in parts, written by all of them, and read by any number."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from cthulhu.layers import Daoloth
from cthulhu.models import Pile, load_model
from cthulhu_core.testing import run_ranks

BEGIN = dedent("""
    import json
    import os
    import warnings
    import torch
    from cthulhu.callbacks import Callback, LumpCheckpoint
    from cthulhu.layers import Daoloth
    from cthulhu.models import Lump, Pile, load_model

    torch.set_num_threads(1)
    X = torch.randn(96, 6, generator=torch.Generator().manual_seed(0))
    Y = torch.randint(0, 4, (96,), generator=torch.Generator().manual_seed(1))
    RANKS = int(os.environ["WORLD_SIZE"])

    def new_model(strategy="fsdp", **options):
        torch.manual_seed(3)
        # Thirteen rows do not divide evenly, and Daoloth stores its kernel the other way round.
        model = Pile([Daoloth(13, activation="tanh", input_dim=6), torch.nn.Linear(13, 4)])
        model.conjure("adam", torch.nn.CrossEntropyLoss(), ["acc"], strategy=strategy, **options)
        return model

    def train(model, epochs=4, callbacks=(), **named):
        return model.summon(
            X, Y, 24 // RANKS, epochs=epochs, verbose=0, callbacks=list(callbacks), **named
        ).history["loss"]
""")


def outcome(code: str, folder: Path, ranks: int = 2) -> list[str]:
    """The lines that all ranks have printed, which are the same."""
    done = run_ranks(BEGIN + dedent(code), folder, 90, ranks)
    assert [each.status for each in done] == [0] * ranks, "".join(each.errors for each in done)
    assert {each.printed for each in done} == {done[0].printed}
    return done[0].printed.splitlines()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses of a training by one process."""
    losses: list[float] = json.loads(outcome("print(train(new_model()))", tmp_path_factory.mktemp("one"), 1)[0])
    return losses


FEW = [(1, "fsdp"), (4, "fsdp")]


@pytest.mark.parametrize(
    ("background", "later"),
    [(True, FEW), pytest.param(False, [*FEW, (2, "fsdp"), (2, "ddp")], marks=pytest.mark.slow)],
)
def test_run_of_two_goes_on_with_one_and_with_four(
    tmp_path: Path, background: bool, later: list[tuple[int, str]], uninterrupted: list[float]
) -> None:
    outcome(f"train(new_model(), 2, [LumpCheckpoint('m.dcp', background={background})])", tmp_path)
    names = sorted(path.name for path in tmp_path.glob("m.dcp/**/*.*"))
    assert names[0] == "checkpoint.json"
    assert [Path(name).suffix for name in names[1:]] == [".safetensors"] * 3  # no pickle is in them
    for ranks, strategy in later:
        code = f"""
        warnings.simplefilter("ignore")  # nobody saves any more
        print(train(new_model({strategy!r}), resume_from="m.dcp"))
        """
        losses = json.loads(outcome(code, tmp_path, ranks)[0])
        assert losses == pytest.approx(uninterrupted, rel=1e-6), (ranks, strategy)


@pytest.mark.slow
def test_in_the_middle_of_an_epoch_too(tmp_path: Path, uninterrupted: list[float]) -> None:
    code = """
    class Stop(Callback):
        def on_batch_end(self, batch, logs):
            if self.run.step == 6:
                raise KeyboardInterrupt

    try:
        train(new_model(), 4, [LumpCheckpoint("run/m.{epoch}.dcp", save_every=2), Stop()])
    except KeyboardInterrupt:
        print(sorted(os.listdir("run")))
    """
    assert outcome(code, tmp_path) == ["['m.1.dcp', 'm.latest.dcp']"]
    for ranks in (2, 4):
        code = """
        losses = train(new_model(), 4, [LumpCheckpoint("run/m.{epoch}.dcp", save_every=99)], resume_from="auto")
        print(losses)
        """
        losses = json.loads(outcome(code, tmp_path, ranks)[0])
        assert losses[2:] == pytest.approx(uninterrupted[2:], rel=1e-6)
        for path in (tmp_path / "run").glob("m.[234].dcp"):
            subprocess.run(["rm", "-r", str(path)], check=True)


@pytest.mark.slow
def test_more_processes_than_divide_the_batch_train_a_few_samples_again(tmp_path: Path) -> None:
    code = """
    class Stop(Callback):
        def on_batch_end(self, batch, logs):
            if self.run.step == 3:
                self.run.stop()
                raise KeyboardInterrupt

    try:
        model = new_model()
        model.summon(X, Y, 6, epochs=2, verbose=0, callbacks=[LumpCheckpoint("m.dcp", save_every=1), Stop()])
    except KeyboardInterrupt:
        pass
    """
    outcome(code, tmp_path)
    code = """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = new_model()
        history = model.summon(X, Y, 5, epochs=2, verbose=0, resume_from="m.latest.dcp")
    print(any("the 4 last samples before it was saved are trained again" in str(each.message) for each in caught))
    print(history.epoch, history.run.step)
    """
    # 24 samples of 96 had been trained after two batches of 12: one of 20 is skipped, and 4 of 5 are left.
    assert outcome(code, tmp_path, 4) == ["True", "[0, 1] 11"]


@pytest.mark.slow
def test_best_of_several_is_kept_and_others_removed(tmp_path: Path) -> None:
    code = """
    checkpoint = LumpCheckpoint("k/{epoch}.dcp", monitor="loss", save_best_only=True, keep=1, background=True)
    train(new_model(), 4, [checkpoint])
    torch.distributed.barrier()  # the main process removes
    print(sorted(os.listdir("k")), len(os.listdir("k/4.dcp")))
    """
    assert outcome(code, tmp_path) == ["['4.dcp'] 2"]


@pytest.mark.slow
def test_what_one_process_cannot_save_is_not_saved_by_any_and_training_goes_on(tmp_path: Path) -> None:
    code = """
    class Odd(Callback):
        def state_dict(self):
            # The second time, in one process.
            self.asked = getattr(self, "asked", 0) + 1
            return {"odd": object()} if (rank, self.asked) == (RANK, 2) else {}

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        losses = train(new_model(), 3, [LumpCheckpoint("m.{epoch}.dcp"), Odd()])
    print(sorted(name for name in os.listdir(".") if name.endswith("dcp")), len(losses))
    if rank == 0:
        print([str(each.message)[:80] for each in caught], file=__import__("sys").stderr)
    """
    for rank in (0, 1):
        folder = tmp_path / str(rank)
        folder.mkdir()
        done = run_ranks(BEGIN + dedent(code.replace("RANK", str(rank))), folder, 90)
        assert [each.status for each in done] == [0, 0], done[0].errors + done[1].errors
        assert done[0].printed == done[1].printed
        assert done[0].printed == "['m.1.dcp', 'm.3.dcp'] 3\n"
        assert "LumpCheckpoint: epoch 00002 could not be saved to " in done[0].errors


@pytest.mark.slow
def test_model_and_weights_can_be_loaded_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
    model = new_model()
    train(model, 2)
    model.save("whole.dcp")
    model.save_weights("weights.dcp")
    print([float(weight.full_tensor().double().sum()) for weight in model.parameters()])
    """
    expected = json.loads(outcome(code, tmp_path)[0])
    monkeypatch.chdir(tmp_path)
    loaded = load_model("whole.dcp")
    assert isinstance(loaded, Pile)
    other = Pile([Daoloth(13, activation="tanh", input_dim=6), torch.nn.Linear(13, 4)])
    other.load_weights("weights.dcp")
    for model in (loaded, other):
        assert [float(weight.detach().double().sum()) for weight in model.parameters()] == pytest.approx(expected)


@pytest.mark.slow
def test_file_of_one_process_is_refused_before_training(tmp_path: Path) -> None:
    ranks = run_ranks(BEGIN + "train(new_model(), 1, [LumpCheckpoint('m.hdf5')])", tmp_path, 90)
    for rank in ranks:
        assert rank.status == 1
        assert "a file of this kind is written by one: let the name end in .dcp" in rank.errors
    code = """
    import datetime

    try:
        train(new_model(), 1, [LumpCheckpoint("m.dcp", save_every=datetime.timedelta(seconds=1))])
    except ValueError as error:
        print(error)
    """
    assert "clocks differ: give a number of batches" in outcome(code, tmp_path)[0]


@pytest.mark.slow
def test_file_of_one_process_is_refused_where_the_model_is_in_parts(tmp_path: Path) -> None:
    code = """
    model = new_model()
    train(model, 1)
    try:
        model.save("m.hdf5")
    except Exception as error:
        print(error)
    """
    (line,) = outcome(code, tmp_path)
    assert line.startswith("m.hdf5: each process holds a part of the model (strategy='fsdp')")
    assert not (tmp_path / "m.hdf5").exists()
