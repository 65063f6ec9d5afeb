"""The reference of the hooks, as it is built: every hook is there, with exactly the arguments that a run gives it."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pluggy
import pytest

from cthulhu_core.contract import hookspecs
from cthulhu_core.contract.callback import METHODS


class Sections(HTMLParser):
    """The text below each heading of the third rank, by the id of the heading; code apart from the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        self._section = ""
        self._in_code = False

    def handle_starttag(self, tag, attributes):
        if tag in ("h1", "h2", "h3"):
            self._section = dict(attributes).get("id") or "" if tag == "h3" else ""
        self._in_code = self._in_code or tag == "pre"

    def handle_endtag(self, tag):
        self._in_code = self._in_code and tag != "pre"

    def handle_data(self, data):
        into = self.codes if self._in_code else self.texts
        into[self._section] = into.get(self._section, "") + data


@pytest.fixture(scope="module")
def page(built: Path) -> Sections:
    sections = Sections()
    sections.feed((built / "hooks.html").read_text(encoding="utf-8"))
    return sections


@pytest.fixture(scope="module")
def specs() -> dict[str, list[str]]:
    """What pluggy holds an implementation against."""
    manager = pluggy.PluginManager("cthulhu")
    manager.add_hookspecs(hookspecs)
    names = [name for name in vars(manager.hook) if name.startswith("cthulhu_")]
    return {name: list(getattr(manager.hook, name).spec.argnames) for name in names}


def test_every_hook_has_a_section_and_every_section_is_a_hook(page, specs):
    assert len(specs) >= 24
    assert sorted(page.codes.keys() - {""}) == sorted(specs)


def test_signatures_have_the_arguments_in_their_order_with_their_types(page, specs):
    for name, arguments in specs.items():
        (function,) = ast.parse(f"{page.codes[name].strip()}: ...").body
        assert isinstance(function, ast.FunctionDef)
        assert function.name == name
        assert [argument.arg for argument in function.args.args] == arguments
        assert all(argument.annotation is not None for argument in function.args.args), name
        assert function.returns is not None, name


def test_every_hook_is_said_in_words(page, specs):
    for name in specs:
        assert len(page.texts[name].split()) > 10, name


def test_hooks_of_the_loop_name_the_method_of_a_callback_and_its_arguments(page, specs):
    for method, name in METHODS.items():
        given = [argument for argument in specs[name] if argument != "run"]
        assert f"As a method of a callback: {method}({', '.join(given)})" in page.texts[name]


def test_loop_stands_first_and_calls_every_hook_of_training(page, built):
    html = (built / "hooks.html").read_text(encoding="utf-8")
    assert html.index("run.train_begin(logs)") < html.index('id="cthulhu_train_begin"')
    called = set(re.findall(r"run\.(\w+)\(", page.codes[""]))
    in_training = {method.removeprefix("on_") for method in METHODS if "predict" not in method}
    assert in_training <= called
