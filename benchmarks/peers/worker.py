"""Run one trainer in a process of its own, with requests as lines of JSON on stdin and answers on stdout.

python worker.py TRAINER
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import resource
import sys

import torch
from request import Request


def main() -> None:
    """Answer requests until stdin ends."""
    torch.set_num_threads(1)
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # Trainers may print.
        train = importlib.import_module(sys.argv[1]).train
        for line in sys.stdin:
            gc.collect()
            seconds = train(Request(**json.loads(line)))
            # In kilobytes on Linux.
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(json.dumps({"seconds": seconds, "peak": peak}), file=answers, flush=True)


if __name__ == "__main__":
    main()
