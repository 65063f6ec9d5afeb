"""A training resumed at any save point ends with the bits of an uninterrupted one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cthulhu_core import Callback, Run
from cthulhu_core.checkpoints.resume import ResumeWarning
from resumable import BATCHES, DATA, EPOCHS, Drift, Noisy, Save, X, Y, new_model, outcome, seed, summon

pytestmark = pytest.mark.usefixtures("saved")


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
