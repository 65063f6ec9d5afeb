"""Jobs of several processes under torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Torchrun:
    """Starts scripts under torchrun in ``folder``, and kills the jobs that a test leaves running."""

    TWO_PROCESSES = ("--standalone", "--nproc-per-node", "2")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: list[subprocess.Popen[str]] = []

    def start(
        self,
        script: str,
        *arguments: str,
        options: tuple[str, ...] = TWO_PROCESSES,
        within: tuple[str, ...] = (),
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Start a job, ``within`` another command if one is given."""
        path = self._folder / "train.py"
        path.write_text(script)
        job = subprocess.Popen(
            [*within, sys.executable, "-m", "torch.distributed.run", *options, str(path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )
        self._jobs.append(job)
        return job

    def output(self, job: subprocess.Popen[str]) -> str:
        """Wait for the end of a job, check that it succeeded, and return its output."""
        printed, errors = job.communicate(timeout=120)
        assert job.returncode == 0, errors
        return printed

    def __call__(self, script: str, *arguments: str, **how: Any) -> str:
        """Run a job to its end and return its output."""
        return self.output(self.start(script, *arguments, **how))

    def kill(self) -> None:
        for job in self._jobs:
            job.kill()
            job.communicate()


@pytest.fixture
def torchrun(tmp_path: Path) -> Iterator[Torchrun]:
    jobs = Torchrun(tmp_path)
    yield jobs
    jobs.kill()
