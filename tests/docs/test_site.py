"""The site as it is built: a page for each callback and package, pictures, and nothing fetched from elsewhere."""

from __future__ import annotations

import inspect
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from cthulhu_core.installed import registry
from cthulhu_core.installed.registry import CORE_NAMES, OFFICIAL

DOCS = Path(__file__).parents[2] / "docs"
FETCHED = re.compile(r'<(?:link|script|img|iframe|source)\b[^>]*?\b(?:href|src)="([^"]*)"')
PICTURE = re.compile(r"!\[[^]]*\]\(pictures/([^)]+)\)")
LARGEST_PICTURE = 80_000


def read(file: Path) -> Any:
    import yaml  # which the session slow, whose tests are others, does without

    return yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [*CORE_NAMES, *OFFICIAL])
def test_callback_has_a_page_with_installation_picture_and_reference(built, name):
    html = (built / "callbacks" / f"{name}.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", html)
    assert f"pip install {OFFICIAL.get(name, 'cthulhu-core')}" in text
    assert f"from cthulhu.callbacks import {name}" in text
    assert re.search(rf'<img alt="[^"]{{20,}}" src="\.\./pictures/{name}\.(svg|png)"', html)
    assert re.search(rf'id="cthulhu_\w+(\.\w+)*\.{name}"', html)


@pytest.mark.parametrize("name", OFFICIAL)
def test_reference_has_every_argument_with_its_default_and_what_it_is_for(built, name):
    html = unescape((built / "callbacks" / f"{name}.html").read_text(encoding="utf-8"))
    reference = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html[html.index('class="doc doc-heading"') :]))
    signature, _, text = reference.partition("Parameters:") if "Parameters:" in reference else (reference, "", "")
    signature = signature.replace('"', "'")
    constructor = registry.callback(name).__init__
    if constructor is object.__init__:
        return
    for argument in list(inspect.signature(constructor).parameters.values())[1:]:
        if argument.default is argument.empty:
            assert re.search(rf"\b{argument.name}\b", signature)
        else:
            assert f"{argument.name}={argument.default!r}" in signature
        assert re.search(rf"\b{argument.name} \(.*?\) \W \W?\w", text), argument.name


@pytest.mark.parametrize("package", sorted(set(OFFICIAL.values())))
def test_package_has_a_page_with_its_readme_and_its_changes(built, package):
    text = re.sub(r"<[^>]+>", "", (built / "packages" / f"{package}.html").read_text(encoding="utf-8"))
    readme = (DOCS.parent / "plugins" / package / "README.md").read_text(encoding="utf-8")
    heading = readme.splitlines()[0].removeprefix("# ")
    assert heading in text
    assert "Changelog" in text


def test_pictures_are_small_and_each_is_used():
    captions = read(DOCS / "pictures" / "captions.yml")
    pictures = [*DOCS.glob("pictures/*.svg"), *DOCS.glob("pictures/*.png")]
    on_pages = {name for page in DOCS.glob("*.md") for name in PICTURE.findall(page.read_text(encoding="utf-8"))}
    assert {path.name for path in pictures} == {caption["file"] for caption in captions.values()} | on_pages
    assert max(path.stat().st_size for path in pictures) < LARGEST_PICTURE


def test_nothing_is_fetched_from_elsewhere(built):
    fetched = {
        address
        for page in built.rglob("*.html")
        for address in FETCHED.findall(page.read_text(encoding="utf-8"))
        if re.match(r"(?:\w+:)?//", address)
    }
    assert fetched == set()
    styles = [*built.rglob("*.css"), *built.rglob("*.svg")]
    assert [path for path in styles if re.search(r"url\(.?https?:", path.read_text(encoding="utf-8"))] == []


def test_links_lead_to_pages_that_are_there(built):
    lost = []
    for page in built.rglob("*.html"):
        if page.name == "404.html":  # it is served from anywhere
            continue
        html = page.read_text(encoding="utf-8")
        for address in re.findall(r'<a\b[^>]*?\bhref="([^"#]+)', html):
            if not re.match(r"\w+:", address) and not (page.parent / unquote(address)).exists():
                lost.append((page.name, address))
    assert lost == []


def test_docstrings_leave_no_markup_that_is_not_markdown(built):
    made = [*built.glob("callbacks/*.html"), built / "hooks.html", built / "packages" / "api.html"]
    for page in made:
        text = re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))
        assert re.findall(r":(?:class|meth|func|data|mod|attr):|``|\[`\w+`\]", text) == [], page.name


def test_packages_of_others_say_what_they_are():
    entries = read(DOCS / "packages.yml")
    names = [entry["name"] for entry in entries]
    assert names == sorted(set(names))
    for entry in entries:
        assert set(entry) <= {"name", "brings", "summary", "address"}, entry
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry["name"])
        assert entry["brings"] == [name for name in entry["brings"] if name.isidentifier()]
        assert 10 < len(entry["summary"]) < 100
        assert not entry["summary"].endswith(".")
        assert re.match("https://", entry.get("address", "https://"))
        assert entry["name"] not in OFFICIAL.values()
