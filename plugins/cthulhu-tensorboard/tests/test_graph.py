"""The graph, read back with TensorBoard's own reader; drawing it changes nothing of the training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cthulhu.callbacks import Callback
from cthulhu.layers import Daoloth, TheHydra
from cthulhu.models import Lump, Pile
from cthulhu_tensorboard.graph import write_graph


def operations(found):
    """The operations of PyTorch in a graph, each with the modules in which it is."""
    return [(node.name.rsplit("/", 1)[0], node.op) for node in found.Graph().node if node.op.startswith("aten::")]


def test_operations_stand_in_their_modules(writer, written):
    model = Lump(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU()))
    assert write_graph(writer, model, torch.ones(4, 2))
    assert operations(written()) == [
        ("Sequential/Linear[0]", "aten::linear"),
        ("Sequential/BatchNorm1d[1]", "aten::batch_norm"),
        ("Sequential/ReLU[2]", "aten::relu"),
    ]


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(2, 1), nn.Linear(3, 1)

    def forward(self, a, b):
        return {"sum": self.left(a) + self.right(b), "both": [a, b]}


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_several_inputs(writer, written, kind):
    a, b = torch.ones(4, 2), torch.ones(4, 3)
    assert write_graph(writer, Two(), {"b": b, "a": a} if kind is dict else kind([a, b]))
    found = written()
    assert operations(found) == [
        ("Two/Linear[left]", "aten::linear"),
        ("Two/Linear[right]", "aten::linear"),
        ("Two", "aten::add"),
    ]
    assert len([node for node in found.Graph().node if node.name.startswith("input/")]) == 2


@pytest.mark.parametrize(
    "model",
    [
        Pile([TheHydra(5, 2, input_length=3), nn.Flatten(), Daoloth(2, activation="softmax")]),
        nn.DataParallel(nn.Embedding(5, 2)),
        Lump(torch.compile(nn.Embedding(5, 2), backend="eager")),
    ],
    ids=["Pile", "parallel", "compiled"],
)
def test_models_of_all_kinds(writer, written, model):
    assert write_graph(writer, model, torch.zeros(4, 3, dtype=torch.long))
    assert operations(written())[0][1] == "aten::embedding"


def test_way_that_depends_on_the_inputs_is_the_one_that_these_take(writer, written, capsys):
    class Either(nn.Module):
        def forward(self, x):
            return x.sin() if x.sum() > 0 else x.cos()

    assert write_graph(writer, Either(), torch.ones(2))
    assert [operation for _, operation in operations(written())][-1] == "aten::sin"
    assert capsys.readouterr() == ("", "")


# --- models that cannot be traced -------------------------------------------------------------------------------------


class Refuses(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x):
        raise RuntimeError("no way\nthrough")


@pytest.mark.parametrize(
    ("model", "inputs", "reason"),
    [
        (Refuses(), torch.ones(1, 2), "RuntimeError: no way"),
        (nn.Linear(2, 1), "text", "RuntimeError: .*"),
        (nn.Linear(2, 1), {"x": torch.ones(1, 2)}, "TypeError: .*unexpected keyword argument 'x'"),
        (Daoloth(1), torch.ones(1, 2), "ValueError: it has lazy layers, which learn their sizes from the first data"),
    ],
)
def test_tree_of_modules_is_written_instead_with_one_warning(writer, written, capsys, model, inputs, reason):
    with pytest.warns(
        UserWarning, match=rf"write the graph of the model, because it cannot be traced \({reason}\)"
    ) as caught:
        assert not write_graph(writer, model, inputs)
    assert len(caught) == 1
    assert capsys.readouterr() == ("", "")
    found = written()
    assert not found.Tags()["graph"]
    (text,) = found.Tensors("graph/text_summary")
    shown = text.tensor_proto.string_val[0].decode()
    assert [line.removeprefix("    ") for line in shown.splitlines()] == repr(model).splitlines()


def test_full_disk_is_not_a_fault_of_the_model(writer, monkeypatch):
    def full(event, step=None, walltime=None):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer.file_writer, "add_event", full)
    with pytest.raises(OSError, match="No space left"):
        write_graph(writer, nn.Linear(2, 1), torch.ones(1, 2))


# --- training is left alone -------------------------------------------------------------------------------------------


class Noisy(nn.Module):
    """Draws random numbers, counts, keeps averages, and changes its input in place."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop, self.last = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        x.mul_(1 + 0.01 * self.calls)
        x = x + 0.1 * torch.rand_like(x) + float(np.random.rand())
        return self.last(self.drop(self.norm(self.first(x))))


class Draw(Callback):
    """Draws the graph when the first batch begins."""

    def __init__(self, writer):
        self.writer = writer
        self.drawn = []

    def on_batch_begin(self, batch, logs):
        if not self.drawn:
            self.drawn.append(write_graph(self.writer, self.model, self.run.batch.inputs))


def trained(callbacks):
    torch.manual_seed(0)
    np.random.seed(0)
    x = np.random.default_rng(0).normal(size=(32, 4))
    model = Lump(Noisy())
    model.conjure("adam", "mse")
    history = model.summon(x, x.sum(1, keepdims=True), batch_size=8, epochs=3, verbose=0, callbacks=callbacks)
    return history.history, model.state_dict(), model.module.calls


def test_training_with_and_without_the_graph_is_equal_to_the_bit(writer):
    draw = Draw(writer)
    history, weights, calls = trained([draw])
    expected_history, expected, expected_calls = trained([])
    assert draw.drawn == [True]
    assert history == expected_history
    torch.testing.assert_close(weights, expected, rtol=0, atol=0)
    assert calls == expected_calls


@pytest.mark.parametrize("model", [nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2).eval()), Refuses()])
@pytest.mark.filterwarnings("ignore:TensorBoard:UserWarning")
def test_modes_and_hooks_are_as_they_were(writer, model):
    def state():
        return [(module.training, len(module._forward_hooks), set(vars(module))) for module in model.modules()]

    before = state()
    write_graph(writer, model, torch.ones(4, 2))
    assert state() == before
