"""Images of weights: the pixels that TensorBoard's own reader gives are those of the numbers."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from torch import nn

from cthulhu.layers import Daoloth, TheHydra
from cthulhu.models import Pile
from cthulhu_tensorboard import images
from cthulhu_tensorboard.histograms import Histograms, weights
from cthulhu_tensorboard.images import picture, pixels, write_images


def grey(numbers):
    numbers = np.asarray(numbers, dtype=float)
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    return np.nan_to_num(np.round((numbers - low) / (high - low) * 255)).astype("uint8")


def decoded(event):
    """The grey pixels of an image that was written."""
    colours = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    assert (colours[..., :1] == colours).all()
    assert (event.height, event.width) == colours.shape[:2]
    return colours[..., 0]


def test_images_are_those_of_the_weights(writer, written):
    torch.manual_seed(0)
    model = Pile([TheHydra(7, 4, input_length=3), nn.Flatten(), Daoloth(5, bias_initializer="normal")])
    write_images(writer, model, 3)
    found = written()
    assert found.Tags()["images"] == [
        "thehydra_1/embeddings/image", "daoloth_1/kernel/image", "daoloth_1/bias/image",
    ]  # fmt: skip
    expected = model.get_weights()
    for tag, array in zip(found.Tags()["images"], expected, strict=True):
        (event,) = found.Images(tag)
        assert event.step == 3
        np.testing.assert_array_equal(decoded(event), grey(np.atleast_2d(array)))


def test_convolution_is_a_grid_of_its_filters(writer, written):
    model = nn.Sequential(nn.Conv2d(3, 4, (2, 5)))
    write_images(writer, model, 0)
    weight = model[0].weight.detach().numpy()
    expected = np.full((4 * 3 - 1, 3 * 6 - 1), np.nan)
    for output in range(4):
        for channel in range(3):
            expected[output * 3 : output * 3 + 2, channel * 6 : channel * 6 + 5] = weight[output, channel]
    np.testing.assert_array_equal(decoded(written().Images("0/weight/image")[0]), grey(expected))


@pytest.mark.parametrize("shape", [(7, 1, 3, 3), (7, 3, 3)])
def test_filters_of_one_input_are_near_to_a_square(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values, note = picture(weight)
    expected = np.full((11, 11), np.nan)
    for number in range(7):
        row, column = divmod(number, 3)
        expected[row * 4 : row * 4 + 3, column * 4 : column * 4 + 3] = weight.reshape(7, 3, 3)[number]
    np.testing.assert_array_equal(values.numpy(), expected.astype("float32"))
    assert note == f"Shape {shape}: 7 filters in rows."


def test_large_weights_are_means_of_blocks(monkeypatch):
    monkeypatch.setattr(images, "SIDE", 4)
    weight = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    values, note = picture(weight)
    expected = [weight[start : start + 3].mean(0).numpy() for start in (0, 3, 6, 9)]
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-6)
    assert note == (
        "Shape (10, 3): rows are the first dimension, columns the second. Each pixel is the mean of 3 x 1 numbers."
    )
    assert picture(torch.zeros(9)).values.shape == (1, 3)


def test_beginning_of_a_large_grid_is_shown(monkeypatch):
    monkeypatch.setattr(images, "SIDE", 8)
    weight = torch.randn(3, 2, 3, 2, generator=torch.Generator().manual_seed(0))
    values, note = picture(weight)
    assert values.shape == (7, 5)
    torch.testing.assert_close(values[4:7, 3:5], weight[1, 1])
    assert note.endswith(" The first 2 x 2 of 3 x 2 filters are shown.")
    assert picture(torch.zeros(2, 2, 9, 2)) is None


def test_no_image_is_larger_than_its_bound():
    for shape in [(5000, 300), (3000,), (512, 512, 3, 3), (2000, 1, 3, 3), (4000, 7, 3)]:
        assert max(picture(torch.zeros(shape)).values.shape) <= 1024


@pytest.mark.parametrize("weight", [torch.zeros(()), torch.zeros(0, 3), torch.zeros(2, 2, 2, 2, 2)])
def test_other_weights_have_none(weight):
    assert picture(weight) is None


def test_integers_have_none(writer, written):
    write_images(writer, nn.Sequential(nn.BatchNorm1d(2)), 0)
    tags = ["0/weight/image", "0/bias/image", "0/running_mean/image", "0/running_var/image"]
    assert written().Tags()["images"] == tags


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([[-1.0, 0.0, 3.0]], [[0, 64, 255]]),
        ([[2.0, 2.0]], [[128, 128]]),
        ([[0.0, math.nan, 1.0, math.inf, -math.inf]], [[0, 0, 255, 255, 0]]),
        ([[5.0, math.nan, math.inf]], [[128, 0, 255]]),
        ([[math.nan, math.inf]], [[0, 255]]),
        ([[-3e38, 3e38]], [[0, 255]]),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pixels(numbers, expected, dtype):
    assert pixels(torch.tensor(numbers, dtype=dtype)).tolist() == expected


def test_tensorboard_shows_images_beside_histograms_and_says_what_stands_where(writer):
    model = nn.Linear(3, 2)
    Histograms(writer).write(weights(model), 0)
    write_images(writer, model, 0)
    writer.flush()
    multiplexer = EventMultiplexer().AddRun(writer.log_dir, "train")
    multiplexer.Reload()
    found = {
        tag: (metadata.plugin_data.plugin_name, metadata.summary_description)
        for tag, metadata in multiplexer.AllSummaryMetadata()["train"].items()
    }
    assert found == {
        "linear/weight": ("histograms", ""),
        "linear/bias": ("histograms", ""),
        "linear/weight/image": ("images", "Shape (2, 3): rows are the first dimension, columns the second."),
        "linear/bias/image": ("images", "Shape (2,): a single row."),
    }
