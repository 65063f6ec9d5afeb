"""Packages from outside this repository: real wheels with a few lines of code, built and installed by the tests."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent


def build_wheel(
    folder: Path,
    distribution: str,
    version: str = "1.0",
    *,
    modules: Mapping[str, str],
    callbacks: Mapping[str, str] | None = None,
    plugins: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
    metadata: Sequence[str] = (),
    description: str = "",
    files: Mapping[str, str] | None = None,
) -> Path:
    """A wheel in ``folder``.

    ``modules``: name to source; ``callbacks``, ``plugins``: entry points, name to value; ``metadata``: more lines of
    it; ``files``: path to text, in which ``INFO/`` is the folder with the metadata.
    """
    info = f"{distribution.replace('-', '_')}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}", *metadata]
    points = ["[cthulhu.callbacks]", *(f"{name} = {value}" for name, value in (callbacks or {}).items())]
    points += ["[cthulhu.plugins]", *(f"{name} = {value}" for name, value in (plugins or {}).items())]
    metadata += [*(f"Requires-Dist: {each}" for each in requires), "", description]
    files = {path.replace("INFO/", f"{info}/"): text for path, text in (files or {}).items()}
    files |= {f"{name}.py": dedent(source) for name, source in modules.items()}
    files |= {
        f"{info}/METADATA": "\n".join(metadata),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "\n".join([*points, ""]),
    }
    record = [f"{name},{_digest(text)},{len(text.encode())}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{distribution.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


def install(site: Path, distribution: str, version: str = "1.0", **contents: object) -> None:
    """Build a wheel as :func:`build_wheel` and unpack it into ``site``, which is all that installing it means."""
    wheel = build_wheel(site.parent / "wheels", distribution, version, **contents)  # type: ignore[arg-type]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
