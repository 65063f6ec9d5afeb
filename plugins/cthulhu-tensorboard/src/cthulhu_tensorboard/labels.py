"""Check that a file of labels for the projector has a label for each vector, by TensorBoard's count."""

from __future__ import annotations

import os
from pathlib import Path


def check_labels(path: str | os.PathLike[str], vectors: int, given: str) -> None:
    """Check that a file has a label for each vector.

    TensorBoard treats a first line with a tab as a header and skips blank lines: files with one column have no header,
    files with several do.

    Args:
        path: the file.
        vectors: number of vectors.
        given: the argument that named the file, for messages.

    Raises:
        ValueError: If it cannot be read or has a different number of labels.
    """
    try:
        lines = [line for line in Path(path).read_text(encoding="utf-8").split("\n") if line.strip()]
    except OSError as error:
        raise ValueError(f"{given}: it cannot be read ({error.strerror}): expected a text file of labels") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{given}: it is not UTF-8 text ({error}): save it in UTF-8") from error
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
        f"each sample of embeddings_data: {cure or 'write one line, not blank, for each of them'}"
    )
