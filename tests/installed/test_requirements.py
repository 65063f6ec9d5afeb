"""``cthulhu.require``: a script says what it needs, and fails at once with the command that installs it."""

from __future__ import annotations

from pathlib import Path

import pytest

import cthulhu
from cthulhu_core import __version__
from cthulhu_core.installed.registry import PluginError
from foreign import install


@pytest.fixture(autouse=True)
def _acme(site: Path) -> None:
    """acme-tools 1.5 is installed."""
    install(site, "acme-tools", "1.5", modules={"acme": ""})


@pytest.mark.parametrize(
    "met",
    [
        "acme-tools",
        "acme-tools>=1.5",
        "Acme_Tools<2",
        "acme-tools ~= 1.4",
        "lost; python_version < '3'",
        "cthulhu-core",
    ],
)
def test_what_is_met_is_passed_over(met: str) -> None:
    assert cthulhu.require(met) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("unmet", "message"),
    [
        ("acme-tools>=2", "acme-tools>=2 is required, installed is 1.5: pip install 'acme-tools>=2'"),
        ("lost-package", "lost-package is required, it is not installed: pip install lost-package"),
        ("TensorBoards", "TensorBoards is required, it is not installed: pip install TensorBoards"),
        ("cthulhu-core>9", f"cthulhu-core>9 is required, installed is {__version__}: pip install 'cthulhu-core>9'"),
    ],
)
def test_what_is_not_met_is_an_error_with_the_command_that_cures_it(unmet: str, message: str) -> None:
    with pytest.raises(PluginError) as raised:
        cthulhu.require(unmet)
    assert str(raised.value) == message


def test_all_that_is_missing_is_installed_by_one_command() -> None:
    with pytest.raises(PluginError) as raised:
        cthulhu.require("acme-tools>=2", "acme-tools<9", "lost[extra]<3")
    assert str(raised.value) == (
        "acme-tools>=2 is required, installed is 1.5; lost[extra]<3 is required, it is not installed: "
        "pip install 'acme-tools>=2' 'lost[extra]<3'"
    )


def test_name_of_a_callback_is_cured_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cthulhu.callbacks.registry.OFFICIAL, "Herald", "cthulhu-herald")
    with pytest.raises(PluginError, match="it is not installed: pip install cthulhu-herald$"):
        cthulhu.require("Herald")


def test_what_is_no_requirement_is_refused() -> None:
    with pytest.raises(ValueError, match=r"require\('acme tools'\): expected a package as pip takes it, e\.g\."):
        cthulhu.require("acme tools")
