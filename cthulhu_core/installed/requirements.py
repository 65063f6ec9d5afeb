"""Requirements that a script states at its top, so that it fails early with the command that cures it."""

from __future__ import annotations

import shlex

from cthulhu_core.installed.registry import OFFICIAL, PluginError


def require(*requirements: str) -> None:
    """Check that packages are installed in suitable versions.

    Args:
        requirements: as pip accepts them: ``"cthulhu-tensorboard>=0.2"``.

    Raises:
        PluginError: some are not met; the message says what is installed, and the command that installs all of them.
        ValueError: one is not a valid requirement.

    Example:
        >>> require("cthulhu-core>=0.1")
        >>> require("cthulhu-lost")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        PluginError: cthulhu-lost is required, it is not installed: pip install cthulhu-lost
    """
    from importlib_metadata import PackageNotFoundError, version
    from packaging.requirements import InvalidRequirement, Requirement

    unmet = []
    problems = []
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise ValueError(
                f"require({text!r}): expected a package as pip takes it, e.g. 'cthulhu-tensorboard>=0.2': {error}"
            ) from error
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = ""
        if installed and requirement.specifier.contains(installed, prereleases=True):
            continue
        package = OFFICIAL.get(requirement.name, requirement.name)  # the name of a callback means its package
        unmet.append(shlex.quote(str(requirement).replace(requirement.name, package, 1)))
        there = f"installed is {installed}" if installed else "it is not installed"
        problems.append(f"{requirement} is required, {there}")
    if unmet:
        raise PluginError(f"{'; '.join(problems)}: pip install {' '.join(unmet)}")
