"""The documentation's three examples, with a real file and a real process."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

import numpy as np
import pytest

from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_lukthu import LuKthuCallback


@pytest.fixture
def model() -> Pile:
    model = Pile([Daoloth(1, input_dim=2)])
    model.conjure(optimizer="sgd", loss="mse")
    return model


@pytest.fixture
def process() -> Iterator[BaseProcess]:
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,), daemon=True)
    process.start()
    yield process
    process.kill()
    process.join()


def test_the_three_examples_in_one_training(model, process, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    # fmt: off
    # Print the batch number at the beginning of every batch.
    batch_print_callback = LuKthuCallback(
        on_batch_begin=lambda batch,logs: print(batch))  # noqa: T201

    # Stream the epoch loss to a file in JSON format.
    json_log = open('loss_log.json', mode='wt', buffering=1)  # noqa: PTH123, SIM115, UP015
    json_logging_callback = LuKthuCallback(
        on_epoch_end=lambda epoch, logs: json_log.write(
            json.dumps({'epoch': epoch, 'loss': logs['loss']}) + '\n'),
        on_train_end=lambda logs: json_log.close()
    )

    # Terminate some processes after having finished model training.
    processes = [process]
    cleanup_callback = LuKthuCallback(
        on_train_end=lambda logs: [
            p.terminate() for p in processes if p.is_alive()])
    # fmt: on

    alive = []
    watch = LuKthuCallback(on_epoch_end=lambda epoch, logs: alive.append(process.is_alive()))
    callbacks = [batch_print_callback, json_logging_callback, watch, cleanup_callback]
    history = model.summon(np.ones((8, 2)), np.ones(8), batch_size=4, epochs=3, verbose=0, callbacks=callbacks)

    assert capsys.readouterr().out == "0\n1\n0\n1\n0\n1\n"
    assert json_log.closed
    lines = [json.loads(line) for line in (tmp_path / "loss_log.json").read_text().splitlines()]
    assert lines == [{"epoch": epoch, "loss": loss} for epoch, loss in enumerate(history.history["loss"])]
    process.join(timeout=60)
    assert alive == [True, True, True]
    assert not process.is_alive()


def test_processes_are_terminated_when_training_fails(model, process):
    def fail(batch, logs):
        raise RuntimeError("out of paper")

    cleanup = LuKthuCallback(on_train_end=lambda logs: process.terminate())
    with pytest.raises(RuntimeError, match="out of paper"):
        model.summon(np.ones((8, 2)), np.ones(8), verbose=0, callbacks=[LuKthuCallback(on_batch_end=fail), cleanup])
    process.join(timeout=60)
    assert not process.is_alive()
