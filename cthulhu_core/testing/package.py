"""Standard tests of a package: its entry points, its changelog, and the examples in its README."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from cthulhu_core.contract.callback import Callback
from cthulhu_core.installed.registry import callback, rows
from cthulhu_core.testing.failure_messages import broken


class PackageContract:
    """The standard tests of a package that offers one callback. Subclass it in a file below ``tests``.

    The README and the changelog are expected in the folder that contains ``tests``. Add a test that calls
    :meth:`run_readme` and checks what the examples do.

    Attributes:
        callback: the class of the callback; it can be imported from the package.
        plugins: what the package offers in the group ``cthulhu.plugins``: modules or objects by name.

    Example:
        >>> class TestPackage(PackageContract):
        ...     callback = CSVLogger
        ...
        ...     def test_example_in_the_readme_runs(self, tmp_path, monkeypatch):
        ...         monkeypatch.chdir(tmp_path)
        ...         self.run_readme()
        ...         assert Path("log.csv").exists()
    """

    callback: ClassVar[type[Callback]]
    plugins: ClassVar[Mapping[str, str]] = {}

    @property
    def folder(self) -> Path:
        """The folder of the package, which contains ``tests``."""
        tests = next(each for each in Path(inspect.getfile(type(self))).parents if each.name == "tests")
        return tests.parent

    @property
    def distribution(self) -> str:
        """The name of the distribution, such as ``cthulhu-csv``."""
        return self.callback.__module__.partition(".")[0].replace("_", "-")

    @property
    def readme(self) -> str:
        """The text of ``README.md``."""
        return (self.folder / "README.md").read_text(encoding="utf-8")

    def run_readme(self, *numbers: int) -> dict[str, Any]:
        """Run the Python examples of the README one after the other in the current folder.

        Args:
            numbers: the examples to run, from 0; all by default.

        Returns:
            The names that they define.
        """
        examples = re.findall(r"```python\n(.*?)```", self.readme, re.DOTALL)
        namespace: dict[str, Any] = {"__name__": "readme"}
        for number in numbers or range(len(examples)):
            exec(compile(examples[number], f"README.md, example {number + 1}", "exec"), namespace)
        return namespace

    def test_entry_points_offer_the_documented_names(self) -> None:
        """The callback is found by its class name, and the package offers nothing else than it declares."""
        name = self.callback.__name__
        package = self.callback.__module__.partition(".")[0]
        expected = {
            name: ("callback", f"{package}:{name}", "offered"),
            **{plugin: ("plugin", value, "on") for plugin, value in self.plugins.items()},
        }
        found = {
            row.record.name: (row.record.kind, row.record.value, row.state)
            for row in rows()
            if row.record.distribution == self.distribution
        }
        if found != expected:
            broken(
                self.callback, "has other entry points than its test declares",
                expected=str(expected), found=str(found),
                cure="correct [project.entry-points] in pyproject.toml, or the test; then install the package again",
            )  # fmt: skip
        if callback(name) is not self.callback:
            broken(
                self.callback, f"is not cthulhu.callbacks.{name}",
                expected=repr(self.callback), found=repr(callback(name)),
                cure="correct the value of the entry point",
            )  # fmt: skip

    def test_changelog_names_the_installed_version(self) -> None:
        """The newest entry of ``CHANGELOG.md`` is the version that is installed."""
        changelog = (self.folder / "CHANGELOG.md").read_text(encoding="utf-8")
        newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
        found, expected = newest[1] if newest else "no entry", version(self.distribution)
        if found != expected:
            broken(
                self.callback, "has a changelog whose newest entry is not the installed version",
                expected=expected, found=found,
                cure=f"write a heading ## {expected} into CHANGELOG.md, or correct the version of the package",
            )  # fmt: skip
