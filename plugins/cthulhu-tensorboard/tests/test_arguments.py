"""What TensorBoard refuses, and when; what it must be given for what it does."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from cthulhu.callbacks import TensorBoard

DATA = np.zeros((4, 3), dtype="float32")


def test_documented_arguments_and_defaults():
    parameters = inspect.signature(TensorBoard).parameters
    assert [(name, parameter.default) for name, parameter in parameters.items()] == [
        ("log_dir", "./logs"), ("histogram_freq", 0), ("batch_size", None), ("write_graph", True),
        ("write_grads", False), ("write_images", False), ("embeddings_freq", 0), ("embeddings_layer_names", None),
        ("embeddings_metadata", None), ("embeddings_data", None), ("update_freq", "epoch"),
    ]  # fmt: skip


def test_arguments_can_be_read_back():
    tensorboard = TensorBoard(Path("run"), 2, 8, False, True, True, 3, ["a"], {"a": "a.tsv"}, DATA, np.int64(10))
    assert (tensorboard.log_dir, tensorboard.histogram_freq, tensorboard.batch_size) == (Path("run"), 2, 8)
    assert (tensorboard.write_graph, tensorboard.write_grads, tensorboard.write_images) == (False, True, True)
    assert (tensorboard.embeddings_freq, tensorboard.embeddings_layer_names) == (3, ["a"])
    assert (tensorboard.embeddings_metadata, tensorboard.update_freq) == ({"a": "a.tsv"}, 10)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"log_dir": None}, TypeError, "log_dir=None): expected the path of a folder, e.g. './logs'"),
        ({"log_dir": b"logs"}, TypeError, "log_dir=b'logs'): expected the path of a folder"),
        ({"log_dir": 3}, TypeError, "log_dir=3): expected the path of a folder"),
        ({"log_dir": ""}, ValueError, "log_dir=''): expected the path of a folder"),
        ({"log_dir": "gs://bucket/logs"}, ValueError, "expected a folder of this machine: write to one, and copy it"),
        ({"histogram_freq": -1}, ValueError, "histogram_freq=-1): expected a number of epochs, or 0 for never"),
        ({"histogram_freq": 1.5}, TypeError, "histogram_freq=1.5): expected a whole number of epochs, 0 for never"),
        ({"histogram_freq": True}, TypeError, "histogram_freq=True): expected a whole number of epochs"),
        ({"embeddings_freq": -2}, ValueError, "embeddings_freq=-2): expected a number of epochs, or 0 for never"),
        ({"embeddings_freq": "1"}, TypeError, "embeddings_freq='1'): expected a whole number of epochs"),
        ({"batch_size": 0}, ValueError, "batch_size=0): expected a number of samples, 1 or more, or None"),
        ({"batch_size": "all"}, ValueError, "batch_size='all'): expected a number of samples, 1 or more, or None"),
        ({"write_graph": "yes"}, ValueError, "write_graph='yes'): expected True or False"),
        ({"write_images": None}, ValueError, "write_images=None): expected True or False"),
        ({"write_grads": 2}, ValueError, "write_grads=2): expected True or False"),
        ({"write_grads": True}, ValueError, "write_grads=True): also expected histogram_freq"),
        ({"embeddings_freq": 1}, ValueError, "embeddings_freq=1): expected embeddings_data: an array, or a list"),
        ({"embeddings_layer_names": "words"}, TypeError, "expected a list of names of layers: write ['words']"),
        ({"embeddings_layer_names": [3]}, TypeError, "embeddings_layer_names=[3]): expected a list of names of layers"),
        ({"embeddings_metadata": 3}, TypeError, "embeddings_metadata=3): expected the path of a file for all"),
        ({"embeddings_metadata": {"a": 3}}, TypeError, "or a dict from names of layers to paths"),
        (
            {"update_freq": "batches"},
            ValueError,
            "update_freq='batches'): expected 'batch', 'epoch', or a number",
        ),
        ({"update_freq": 0}, ValueError, "update_freq=0): expected 'batch', 'epoch', or a number of samples"),
        ({"update_freq": -5}, ValueError, "update_freq=-5): expected 'batch', 'epoch', or a number of samples"),
        ({"update_freq": 10.0}, ValueError, "update_freq=10.0): expected 'batch', 'epoch', or a number of samples"),
        ({"update_freq": True}, ValueError, "update_freq=True): expected 'batch', 'epoch', or a number of samples"),
        ({"update_freq": None}, ValueError, "update_freq=None): expected 'batch', 'epoch', or a number of samples"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_was_given_and_expected(arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)) as refusal:
        TensorBoard(**arguments)
    assert str(refusal.value).startswith("TensorBoard(")


def test_nothing_is_written_by_making_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    TensorBoard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"histogram_freq": 1}, "histogram_freq=1): histograms of activations need validation data: "),
        ({"embeddings_freq": 1, "embeddings_data": DATA}, "the model has no TheHydra and no nn.Embedding layer"),
        (
            {"embeddings_freq": 1, "embeddings_data": DATA, "embeddings_layer_names": ["daoloth_2"]},
            "there is no layer 'daoloth_2': did you mean 'daoloth_1'?",
        ),
    ],
)
def test_what_the_training_cannot_give_is_refused_before_it_begins(train, model, log_dir, arguments, message, calls):
    batches = []
    watch = calls(on_batch_begin=lambda batch, logs: batches.append(batch))
    with pytest.raises(ValueError, match=re.escape(message)):
        train(model, [watch, TensorBoard(log_dir, **arguments)])
    assert batches == []
    assert not log_dir.exists()


@pytest.mark.parametrize("update_freq", ["epoch", "batch", 32])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_writes_for_itself(train, model, log_dir, points, update_freq, copied):
    tensorboard = TensorBoard(log_dir, update_freq=update_freq)
    train(model, copied(tensorboard))
    copy_has = tensorboard.state_dict()
    train(model, tensorboard)
    assert copy_has["steps"]["next_epoch"] is None
    labels = {path.suffix for path in (log_dir / "train").iterdir()}
    assert len(labels) == 2
    assert [step for step, _ in points("train", "epoch_loss")] == [0, 1]
