"""Brings uPlot, which draws the curves of the page, into the source distribution and the wheel when they are built.

It comes from npm as it was published, checked against what is pinned here, and is in nobody's repository. A source
distribution has it already, so that a wheel is built from that without npm and without a network.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "uplot@1.6.32"
INTEGRITY = "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
"""Of the archive, in the form that npm writes into lock files."""
FILES = {
    "package/dist/uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "package/dist/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "package/LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""What is taken of the archive, with the SHA-256 of each."""
FOLDER = "src/cthulhu_remote/server/page/static/vendor/uplot"
PATIENCE = 300
"""Seconds that npm may take."""


class BuildError(Exception):
    """The package cannot be built; the message says why, and what to do."""


class Vendor(BuildHookInterface[Any]):
    """The build hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the files where they belong, unless they are there."""
        folder = Path(self.root, FOLDER)
        if all(is_there(folder / Path(name).name, digest) for name, digest in FILES.items()):
            return
        with tempfile.TemporaryDirectory() as temporary:
            files = unpack(fetch(Path(temporary)))
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / Path(name).name).write_bytes(content)


def is_there(path: Path, digest: str) -> bool:
    """Whether a file has the content that it should have."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def fetch(folder: Path) -> Path:
    """Let npm fetch the archive.

    Args:
        folder: an empty folder for it.

    Raises:
        BuildError: there is no npm, it failed, or the archive is not the one that is pinned.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError(
            f"building cthulhu-remote from its repository needs npm, which fetches {PACKAGE}, and there is no npm on "
            "the PATH: install Node.js, which brings it, or build from a source distribution, which has what is needed"
        )
    command = [npm, "pack", "--ignore-scripts", "--silent", PACKAGE]
    try:
        done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise BuildError(
            f"npm did not fetch {PACKAGE} within {PATIENCE} s: look at the network, and try again"
        ) from None
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        said = (done.stderr or done.stdout).strip() or "nothing"
        raise BuildError(
            f"npm was asked for {PACKAGE}, and failed with status {done.returncode}: look at whether npm reaches its "
            f"registry, as `npm view {PACKAGE}` tells, or build from a source distribution; npm said: {said}"
        )
    found = "sha512-" + base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise BuildError(
            f"npm brought a {PACKAGE} whose integrity is {found}, not {INTEGRITY}: it is not the package that this one "
            "was tested with; look at where npm fetches it from"
        )
    return archives[0]


def unpack(archive: Path) -> dict[str, bytes]:
    """The contents of the files that are needed, by their names in the archive."""
    with tarfile.open(archive) as opened:
        # None of the names is missing, and each is a file: the archive is the one that is pinned.
        return {name: opened.extractfile(name).read() for name in FILES}  # type: ignore[union-attr]
