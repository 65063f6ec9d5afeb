"""One trainer in a process of its own: a request as a line of JSON on stdin, the answer as one on stdout.

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
    """Answer requests until there are no more."""
    torch.set_num_threads(1)
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # trainers may print
        train = importlib.import_module(sys.argv[1]).train
        for line in sys.stdin:
            gc.collect()
            seconds = train(Request(**json.loads(line)))
            # In kilobytes on Linux.
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(json.dumps({"seconds": seconds, "peak": peak}), file=answers, flush=True)


if __name__ == "__main__":
    main()
