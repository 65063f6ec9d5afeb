"""The checksum is that of TensorBoard, for records of every length."""

from __future__ import annotations

import random

import pytest
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c as expected

from cthulhu_tensorboard.checksum import masked_crc32c


@pytest.mark.parametrize("length", [*range(10), 255, 256, 257, 511, 512, 513, 2000])
@pytest.mark.parametrize("seed", range(3))
def test_checksum_is_that_of_tensorboard(length, seed):
    data = random.Random(seed).randbytes(length)
    assert masked_crc32c(data) == expected(data)


def test_checksum_of_more_than_is_looked_at_at_once():
    data = random.Random(0).randbytes(2**20 + 7)
    assert masked_crc32c(data) == expected(data)
