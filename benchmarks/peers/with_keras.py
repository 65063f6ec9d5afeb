"""Keras 3 on PyTorch: ``fit``."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import keras
from request import RATE, Request


class LossHistory(keras.callbacks.Callback):
    """Keeps the loss of every batch."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(logs["loss"])


def train(request: Request) -> float:
    """Return the seconds of the training."""
    work = request.work
    inputs = keras.Input(work.shape, dtype="int64" if work.tokens else "float32")
    outputs = inputs
    for layer in work.keras_layers(keras.layers):
        outputs = layer(outputs)
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(RATE), loss=loss)
    callbacks = [LossHistory() for _ in range(request.callbacks)]
    begin = perf_counter()
    if request.data == "loader":
        model.fit(request.loader(), epochs=request.epochs, verbose=0, callbacks=callbacks)
    else:
        x, y = request.arrays
        model.fit(x, y, work.batch_size, request.epochs, verbose=0, callbacks=callbacks)
    request.finish()
    return perf_counter() - begin
