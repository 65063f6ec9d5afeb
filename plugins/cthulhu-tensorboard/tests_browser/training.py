"""A training that makes everything that TensorBoard can show: ``python training.py FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cthulhu.callbacks import TensorBoard
from cthulhu.layers import Daoloth, TheHydra
from cthulhu.models import Pile

WORDS = [f"word{number}" for number in range(40)]
EPOCHS = 5


def main(folder: Path) -> None:
    """Learn which of two kinds of words a sentence has more of."""
    torch.manual_seed(0)
    labels = folder / "words.tsv"
    labels.write_text("\n".join(WORDS) + "\n")
    sentences = np.random.default_rng(0).integers(0, len(WORDS), (400, 6))
    kinds = (np.where(sentences < 20, 1, -1).sum(1) > 0).astype("float32")
    model = Pile(
        [
            TheHydra(len(WORDS), 8, input_length=6, name="words"),
            nn.Conv1d(6, 4, 3),
            nn.ReLU(),
            nn.Flatten(),
            Daoloth(16, activation="relu", name="hidden"),
            Daoloth(1, activation="sigmoid", name="answer"),
        ]
    )
    model.conjure("adam", "binary_crossentropy", metrics=["acc"])
    board = TensorBoard(
        folder / "logs", histogram_freq=1, write_grads=True, write_images=True, update_freq="batch",
        embeddings_freq=EPOCHS, embeddings_layer_names=["words"], embeddings_metadata=str(labels),
        embeddings_data=np.arange(len(WORDS)).reshape(-1, 1).repeat(6, 1)[:, :6],
    )  # fmt: skip
    model.summon(sentences, kinds, epochs=EPOCHS, verbose=0, validation_split=0.25, callbacks=[board])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
