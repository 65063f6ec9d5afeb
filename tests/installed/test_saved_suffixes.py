"""Who is going to save learns before training whether an installed package can."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from cthulhu_core import check_format
from foreign import install

SOURCE = """
    from cthulhu_core import hookimpl

    @hookimpl
    def cthulhu_saved_suffixes():
        return {!r}
"""


@pytest.fixture
def formats(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages: one saves .a and .b, the other .c; nothing else is switched on."""
    monkeypatch.setenv("CTHULHU_DISABLE", ",".join(point.name for point in entry_points(group="cthulhu.plugins")))
    install(site, "acme-ab", modules={"acme_ab": SOURCE.format((".b", ".a"))}, plugins={"ab": "acme_ab"})
    install(site, "acme-c", modules={"acme_c": SOURCE.format([".c"])}, plugins={"c": "acme_c"})


@pytest.mark.parametrize("name", ["w.a", "run.1/w.b", Path("w.c"), "W.C"])
def test_suffix_that_a_package_saves_is_fine(formats: None, name: str | Path) -> None:
    check_format(name)


@pytest.mark.parametrize(
    ("name", "named"), [("w.pt", ".pt files"), ("weights", "'weights', which has no suffix"), ("a/", "'a/', which has")]
)
def test_other_suffix_is_an_error_that_names_those_there_are(formats: None, name: str, named: str) -> None:
    with pytest.raises(ImportError, match=named) as caught:
        check_format(name)
    assert str(caught.value).endswith("expected a name that ends in .a or .b or .c")


def test_without_any_format_the_error_says_what_to_install(no_plugins: None) -> None:
    with pytest.raises(ImportError, match=r"saves \.h5 files: for \.h5 and \.hdf5, pip install cthulhu-checkpoint"):
        check_format("w.h5")
