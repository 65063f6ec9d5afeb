"""Embeddings, read back from the projector of TensorBoard."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from torch import nn
from werkzeug.test import Client

from cthulhu.layers import Daoloth, TheHydra
from cthulhu.models import Lump, Pile
from cthulhu_tensorboard.embeddings import Embeddings


class Projector:
    """What TensorBoard's projector gives its page for the run ``train`` of a folder, as if TensorBoard began now."""

    def __init__(self, folder):
        multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
        multiplexer.Reload()
        provider = MultiplexerDataProvider(multiplexer, str(folder))
        self.apps = ProjectorPlugin(TBContext(data_provider=provider, logdir=str(folder))).get_plugin_apps()

    def get(self, route, **query):
        answer = Client(self.apps[route]).get(query_string={"run": "train", **query})
        assert answer.status_code == 200, answer.text
        return answer

    @property
    def entries(self):
        return {entry["tensorName"]: entry for entry in self.get("/info").json["embeddings"]}

    def tensor(self, name):
        data = np.frombuffer(self.get("/tensor", name=name).data, dtype="float32")
        return data.reshape(self.entries[name]["tensorShape"])

    def labels(self, name):
        return self.get("/metadata", name=name).text


@pytest.fixture
def projector(writer, tmp_path):
    """``projector()``: the projector on what has been written so far."""

    def projector():
        writer.flush()
        return Projector(tmp_path)

    return projector


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Pile([TheHydra(50, 4, input_length=3), nn.Flatten(), Daoloth(2, activation="tanh")])


@pytest.fixture
def data():
    return np.random.default_rng(0).integers(50, size=(40, 3))


def write(model, writer, *arguments, step=0, **named):
    embeddings = Embeddings(*arguments, **named)
    embeddings.check(model)
    embeddings.write(model, writer.log_dir, step)
    return embeddings


def vectors(output):
    return output.detach().reshape(len(output), -1).numpy()


# --- what is written --------------------------------------------------------------------------------------------------


def test_projector_is_offered_the_run(model, data, writer, projector):
    write(model, writer, data=data)
    assert projector().get("/runs").json == ["train"]


def test_vectors_are_the_outputs_of_the_layers(model, data, writer, projector):
    write(model, writer, ["thehydra_1", "daoloth_1"], data=data, batch_size=40)
    found = projector()
    assert list(found.entries) == ["thehydra_1:00000", "daoloth_1:00000"]
    hydra = model.layers[0](torch.from_numpy(data))
    np.testing.assert_array_equal(found.tensor("thehydra_1:00000"), vectors(hydra))
    np.testing.assert_array_equal(found.tensor("daoloth_1:00000"), vectors(model(torch.from_numpy(data))))


def test_numbers_of_every_size_are_read_as_they_are(writer, projector):
    model = Lump(nn.Embedding(64, 8))
    with torch.no_grad():
        bits = torch.randint(-(2**31), 2**31, (64, 8), generator=torch.Generator().manual_seed(0))
        values = bits.to(torch.int32).view(torch.float32)
        values[~values.isfinite()] = 0
        values[0] = 0  # bytes that would be text
        model.module.weight.copy_(values)
    write(model, writer, data=np.arange(64))
    np.testing.assert_array_equal(projector().tensor("embedding:00000"), values.numpy())


@pytest.mark.parametrize("batch_size", [None, 1, 7, 40, 100])
def test_batch_size_makes_no_difference(model, data, writer, projector, batch_size):
    sizes = []
    model.layers[0].register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    write(model, writer, data=data, batch_size=batch_size)
    assert max(sizes) == min(batch_size or 32, 40)
    expected = vectors(model.layers[0](torch.from_numpy(data)))
    np.testing.assert_array_equal(projector().tensor("thehydra_1:00000"), expected)


@pytest.mark.parametrize("names", [None, []])
def test_all_embedding_layers_are_written_when_none_is_named(writer, projector, names):
    parts = OrderedDict(
        encoder=nn.Sequential(OrderedDict(embed=nn.Embedding(9, 2))), flat=nn.Flatten(), head=nn.Linear(6, 1)
    )
    model = Lump(nn.Sequential(parts))
    write(model, writer, names, data=np.zeros((5, 3), dtype=int))
    assert list(projector().entries) == ["encoder.embed:00000"]


def test_each_step_is_kept(model, data, writer, projector):
    embeddings = Embeddings(data=data)
    embeddings.check(model)
    expected = {}
    for step in (0, 2, 10):
        with torch.no_grad():
            model.layers[0].weight += 1
        embeddings.write(model, writer.log_dir, step)
        expected[f"thehydra_1:{step:05}"] = vectors(model.layers[0](torch.from_numpy(data)))
    found = projector()
    assert list(found.entries) == list(expected)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found.tensor(name), tensor)


def test_another_training_in_the_folder_goes_on_and_replaces_the_same_step(model, data, writer, projector):
    write(model, writer, data=data, step=0)
    write(model, writer, data=data, step=1)
    other = Pile([TheHydra(50, 2, name="thehydra_1")])
    write(other, writer, data=data, step=1)
    entries = projector().entries
    assert {name: entry["tensorShape"] for name, entry in entries.items()} == {
        "thehydra_1:00000": [40, 12], "thehydra_1:00001": [40, 6],
    }  # fmt: skip


def test_vectors_that_were_removed_are_no_longer_offered(model, data, writer, projector):
    write(model, writer, data=data, step=0)
    (Path(writer.log_dir) / projector().entries["thehydra_1:00000"]["tensorPath"]).unlink()
    write(model, writer, data=data, step=1)
    assert list(projector().entries) == ["thehydra_1:00001"]


def test_config_that_cannot_be_read_is_begun_anew(model, data, writer, projector):
    (Path(writer.log_dir) / "projector_config.pbtxt").write_text("embeddings {")
    with pytest.warns(UserWarning, match=r"replaces '.*projector_config.pbtxt', which cannot be read"):
        write(model, writer, data=data)
    assert list(projector().entries) == ["thehydra_1:00000"]


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.lstm, self.linear = nn.Embedding(9, 2), nn.LSTM(2, 3, batch_first=True), nn.Linear(4, 3)

    def forward(self, words, numbers):
        return self.lstm(self.embed(words))[0][:, -1] + self.linear(numbers)


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_several_inputs_and_outputs(writer, projector, kind):
    model = Lump(Two())
    words, numbers = np.arange(12).reshape(6, 2) % 9, np.random.default_rng(0).normal(size=(6, 4))
    given = {"numbers": numbers, "words": words} if kind is dict else kind([words, numbers])
    write(model, writer, ["lstm", "linear", "embed"], data=given)
    found = projector()
    assert list(found.entries) == ["lstm:00000", "linear:00000", "embed:00000"]
    with torch.no_grad():
        embedded = model.module.embed(torch.from_numpy(words))
        expected = {
            "embed": embedded, "lstm": model.module.lstm(embedded)[0],
            "linear": model.module.linear(torch.from_numpy(numbers).float()),
        }  # fmt: skip
    for name, output in expected.items():
        np.testing.assert_allclose(found.tensor(f"{name}:00000"), vectors(output), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "given",
    [[[1, 2, 3], [4, 5, 6]], torch.tensor([[1, 2, 3], [4, 5, 6]]), np.array([[1, 2, 3], [4, 5, 6]], dtype=">u2"),
     np.array([[1, 2, 3], [4, 5, 6]], dtype=float)],
)  # fmt: skip
def test_all_kinds_of_arrays_are_data(model, writer, projector, given):
    write(model, writer, data=given)
    expected = vectors(model.layers[0](torch.tensor([[1, 2, 3], [4, 5, 6]])))
    np.testing.assert_array_equal(projector().tensor("thehydra_1:00000"), expected)


def test_training_is_left_alone(data, writer):
    model = nn.Sequential(nn.Embedding(50, 4), nn.Flatten(), nn.BatchNorm1d(12), nn.Dropout(), nn.Linear(12, 1))
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes, random = [module.training for module in model.modules()], torch.get_rng_state()
    write(model, writer, ["0", "4"], data=data)
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
    assert not any(module._forward_hooks for module in model.modules())


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def labels(tmp_path):
    """``labels(lines)``: a file of them."""

    def labels(lines, name="labels.tsv"):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return labels


ONE = [f"word {number} ü" for number in range(40)]
TWO = ["word\tlength", *(f"{number}\t{number}" for number in range(40))]


@pytest.mark.parametrize("lines", [ONE, TWO, [*ONE, ""]])
@pytest.mark.parametrize("of_one_layer", [False, True])
def test_labels_are_served_with_their_layers(model, data, writer, projector, labels, lines, of_one_layer):
    path = labels(lines)
    write(model, writer, ["thehydra_1", "daoloth_1"], {"daoloth_1": str(path)} if of_one_layer else path, data)
    path.unlink()
    found = projector()
    assert found.labels("daoloth_1:00000") == "".join(f"{line}\n" for line in lines)
    assert ("metadataPath" in found.entries["thehydra_1:00000"]) is not of_one_layer
    if not of_one_layer:
        assert found.labels("thehydra_1:00000") == found.labels("daoloth_1:00000")


def test_labels_are_copied_once_a_training(model, data, writer, projector, labels):
    path = labels(ONE)
    embeddings = write(model, writer, None, path, data)
    path.unlink()
    embeddings.write(model, writer.log_dir, 1)
    assert projector().labels("thehydra_1:00001").startswith("word 0")


def test_names_of_layers_need_not_be_names_of_folders(writer, projector, labels):
    model = nn.ModuleDict({"a/b": nn.Embedding(40, 2)})
    model.forward = lambda x: model["a/b"](x)
    write(model, writer, None, {"a/b": labels(ONE)}, np.arange(40))
    found = projector()
    np.testing.assert_array_equal(found.tensor("a/b:00000"), model["a/b"].weight.detach().numpy())
    assert found.labels("a/b:00000").startswith("word 0")


# --- errors before training -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (ONE[:-1], "it has 39 labels, expected 40, one for each sample of embeddings_data: write one line, not blank"),
        (["word", *ONE], "it has 41 labels, expected 40, .*: a file of one column has no header, leave it out"),
        (TWO[1:], "it has 39 labels below its header, .*: a file of several columns begins with a line of their names"),
        ([], "it has 0 labels, expected 40"),
    ],
)
@pytest.mark.parametrize("of_one_layer", [False, True])
def test_number_of_labels_is_that_of_the_samples(model, data, labels, lines, said, of_one_layer):
    path = labels(lines)
    given = "embeddings_metadata['thehydra_1']" if of_one_layer else "embeddings_metadata"
    with pytest.raises(ValueError, match=said) as raised:
        Embeddings(None, {"thehydra_1": path} if of_one_layer else path, data).check(model)
    assert str(raised.value).startswith(f"{given} is {str(path)!r}: it has")


def test_file_of_labels_that_cannot_be_read(model, data, tmp_path):
    with pytest.raises(ValueError, match=r"it cannot be read \(No such file or directory\): expected a text file"):
        Embeddings(None, tmp_path / "missing.tsv", data).check(model)
    path = tmp_path / "latin.tsv"
    path.write_bytes("ü\n".encode("latin-1") * 40)
    with pytest.raises(ValueError, match="it is not UTF-8 text"):
        Embeddings(None, path, data).check(model)


def test_labels_of_layers_that_are_not_known_or_not_written(model, data, labels):
    with pytest.raises(ValueError, match="embeddings_metadata: there is no layer 'hydra_1': did you mean 'thehydra_1'"):
        Embeddings(None, {"hydra_1": labels(ONE)}, data).check(model)
    with pytest.raises(
        ValueError, match=r"names a file for 'daoloth_1', whose output is not written \(only those of thehydra_1 are"
    ):
        Embeddings(None, {"daoloth_1": labels(ONE)}, data).check(model)


def test_layers_that_are_not_known(model, data):
    with pytest.raises(ValueError, match="embeddings_layer_names: there is no layer 'thehidra': did you mean"):
        Embeddings(["thehidra"], None, data).check(model)


def test_model_without_embedding_layers(data):
    with pytest.raises(ValueError, match=r"no TheHydra and no nn.Embedding layer: .* expected some of daoloth_1"):
        Embeddings(None, None, data).check(Pile([Daoloth(1, input_dim=3)]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "embeddings_data is None: expected the data whose embeddings to write"),
        ([np.zeros((3, 1)), np.zeros((4, 1))], "arrays of 3, 4 samples: expected the same number in all"),
        (np.zeros((0, 3)), "embeddings_data is empty"),
        ({}, "embeddings_data is empty"),
        (np.array(["a"]), "values of type <U1: expected numbers"),
        (3, "embeddings_data is a single number"),
    ],
)
def test_data_that_cannot_be_used(model, given, said):
    with pytest.raises(ValueError, match=said):
        Embeddings(None, None, given).check(model)


def test_data_that_the_model_cannot_be_called_with(model):
    with pytest.raises(ValueError, match=r"cannot be called with its first samples, of shape \(4, 3\): IndexError"):
        Embeddings(None, None, np.full((4, 3), 50)).check(model)
    with pytest.raises(ValueError, match=r"of shape \(4, 3\) and shape \(4, 1\): TypeError"):
        Embeddings(None, None, [np.zeros((4, 3)), np.zeros((4, 1))]).check(model)
    assert not any(module._forward_hooks for module in model.modules())


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places, self.unused = nn.Embedding(50, 4), nn.Embedding(3, 4), nn.Linear(1, 1)

    def forward(self, x):
        return self.words(x) + self.places(torch.arange(3)[None])


def test_layer_without_a_vector_for_each_sample_is_left_out_unless_it_was_named(data, writer, projector):
    model = Lump(Positions())
    with pytest.warns(
        UserWarning, match=r"of the layer 'places': for 3 samples it returns a tensor of shape \(1, 3, 4\)"
    ):
        write(model, writer, data=data)
    assert list(projector().entries) == ["words:00000"]
    with pytest.raises(ValueError, match="'places': for 3 samples it returns a tensor of shape .*choose others"):
        Embeddings(["words", "places"], None, data).check(model)
    with pytest.raises(ValueError, match="'unused': the model does not call it, or it returns no tensor"):
        Embeddings(["unused"], None, data).check(model)


def test_model_that_waits_for_data_is_not_given_these(data):
    model = Pile([Daoloth(2)])
    Embeddings(["daoloth_1"], None, data).check(model)
    assert model.layers[0].has_uninitialized_params()
