"""Files of labels for the projector: whether one has as many as there are vectors, as TensorBoard counts them."""

from __future__ import annotations

import os
from pathlib import Path


def check_labels(path: str | os.PathLike[str], vectors: int, given: str) -> None:
    """See that a file holds a label for each vector.

    TensorBoard takes a first line with a tab in it for a header, and leaves out blank lines: a file of one column has
    no header, one of several has one.

    Args:
        path: the file.
        vectors: how many vectors there are.
        given: the argument that named the file, for messages.

    Raises:
        ValueError: it cannot be read, or has another number of labels.
    """
    try:
        lines = [line for line in Path(path).read_text(encoding="utf-8").split("\n") if line.strip()]
    except OSError as error:
        raise ValueError(f"{given}: it cannot be read ({error.strerror}): expected a text file of labels") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{given}: it is no text in UTF-8 ({error}): save it as such") from error
    header = bool(lines) and "\t" in lines[0]
    labels = len(lines) - header
    if labels == vectors:
        return
    if header:
        cure = "a file of several columns begins with a line of their names" if labels == vectors - 1 else ""
    else:
        cure = "a file of one column has no header, leave it out" if labels == vectors + 1 else ""
    raise ValueError(
        f"{given}: it has {labels} {'labels below its header' if header else 'labels'}, expected {vectors}, one for "
        f"each sample of embeddings_data: {cure or 'write one line, which is not blank, for each of them'}"
    )
