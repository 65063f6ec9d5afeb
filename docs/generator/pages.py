"""Generates pages of the site, and parts of the pages that are written by hand.

There is a page for each callback and each package, the reference of the hooks, and the names for authors. Their content
comes from installed packages: docstrings, specifications, metadata. The function ``NAME`` writes the text for a line
``<!-- generated: NAME -->`` in a page.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

import griffe
import pluggy
import yaml
from docstrings import markdown
from floors import layers, picture
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import cthulhu_core
from cthulhu_core.contract import hookspecs
from cthulhu_core.contract.callback import METHODS, Callback
from cthulhu_core.contract.hookspecs import HOOKS
from cthulhu_core.installed.registry import CORE_NAMES, OFFICIAL, installed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CORE = "cthulhu-core"
CALLBACKS = {**dict.fromkeys(CORE_NAMES, CORE), **OFFICIAL}
"""Every documented callback and its package, beginning with ``Callback``."""
PACKAGES = sorted({*OFFICIAL.values()})
MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


# --- what mkdocs calls ------------------------------------------------------------------------------------------------


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated pages into the navigation."""
    sections: dict[str, list[Any]] = {name: value for entry in config.nav or () for name, value in entry.items()}
    sections["Callbacks"] += [{name: _callback_page(name)} for name in sorted(CALLBACKS, key=str.lower)]
    sections["Packages"] += [{name: _package_page(name)} for name in PACKAGES]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {_callback_page(name): _callback(name, Path(config.docs_dir)) for name in CALLBACKS}
    pages |= {_package_page(name): _package(name, Path(config.docs_dir).parent) for name in PACKAGES}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the generated parts of a page."""

    def fill(found: re.Match[str]) -> str:
        return PARTS[found[1]](Path(config.docs_dir))

    return MARK.sub(fill, text)


# --- a page for each callback -----------------------------------------------------------------------------------------


def _callback_page(name: str) -> str:
    return f"callbacks/{name}.md"


def _identifier(name: str) -> str:
    """Return the path of a callback's class, as an author would import it."""
    if CALLBACKS[name] == CORE:
        return f"cthulhu_core.{name}"
    (record,) = [record for record in installed() if (record.kind, record.name) == ("callback", name)]
    return record.value.replace(":", ".")


def _summary(name: str) -> str:
    """Return what a callback does, in one line: for a package, from its metadata."""
    if CALLBACKS[name] == CORE:
        line = (inspect.getdoc(getattr(cthulhu_core, name)) or "").partition("\n")[0]
    else:
        line = metadata(CALLBACKS[name])["Summary"].partition(": ")[2]
    return (line[:1].upper() + line[1:]).rstrip(".") + "."


def _captions(docs: Path) -> dict[str, dict[str, str]]:
    """Return file, alternative text and caption of the picture of each callback."""
    captions: dict[str, dict[str, str]] = yaml.safe_load((docs / "pictures" / "captions.yml").read_text("utf-8"))
    return captions


def _callback(name: str, docs: Path) -> str:
    package, picture = CALLBACKS[name], _captions(docs)[name]
    where = (
        "It is part of `cthulhu-core`."
        if package == CORE
        else f"Package: [`{package}`](../packages/{package}.md), version {version(package)}."
    )
    # What the methods of a callback do that is in a package, the class says; core's are there to be called.
    members = "" if package == CORE else "      members: false\n"
    return f"""\
---
title: {name}
description: {json.dumps(_summary(name))}
search:
  boost: 2
---
# {name}

{_summary(name)} {where}

```sh
pip install {package}
```

```python
from cthulhu.callbacks import {name}
```

<figure markdown="span" class="picture">
![{picture["alt"]}](../pictures/{picture["file"]})
<figcaption markdown="span">{picture["caption"]}</figcaption>
</figure>

::: {_identifier(name)}
    options:
      heading: Reference
      toc_label: Reference
{members}"""


def callbacks(docs: Path) -> str:
    """Return the table of all callbacks."""
    lines = ["| callback | what it does | package |", "|---|---|---|"]
    for name in sorted(CALLBACKS, key=str.lower):
        package = CALLBACKS[name]
        link = f"`{package}`" if package == CORE else f"[`{package}`](../{_package_page(package)})"
        lines.append(f"| [`{name}`]({name}.md) | {_summary(name)} | {link} |")
    return "\n".join(lines)


# --- a page for each package ------------------------------------------------------------------------------------------


def _package_page(name: str) -> str:
    return f"packages/{name}.md"


def _package(name: str, root: Path) -> str:
    """Return the page of a package: its published README, and its changelog."""
    readme = metadata(name).json["description"]
    changes = (root / "plugins" / name / "CHANGELOG.md").read_text("utf-8")
    names = [f"[{callback}](../{_callback_page(callback)})" for callback in CALLBACKS if CALLBACKS[callback] == name]
    title, _, text = str(readme).strip().partition("\n")
    return f"{title}\n\nReference: {', '.join(names)}\n\n{text}\n\n{_demoted(changes)}"


def _demoted(text: str) -> str:
    """Return a page as a section of another one."""
    return re.sub(r"^(#+) ", r"#\1 ", text, flags=re.MULTILINE)


def official_packages(docs: Path) -> str:
    """Return the packages of this repository as a table."""
    lines = ["| package | provides | what it does |", "|---|---|---|"]
    for name in PACKAGES:
        brings = ", ".join(f"[`{each}`](callbacks/{each}.md)" for each in CALLBACKS if CALLBACKS[each] == name)
        lines.append(f"| [`{name}`]({_package_page(name)}) | {brings} | {_first_summary(name)} |")
    return "\n".join(lines)


def _first_summary(package: str) -> str:
    return _summary(next(name for name in CALLBACKS if CALLBACKS[name] == package))


def example_packages(docs: Path) -> str:
    """Return the packages in ``examples/plugins``, described by their metadata."""
    lines = ["| package | what it does |", "|---|---|"]
    for file in sorted((docs.parent / "examples" / "plugins").glob("*/pyproject.toml")):
        project = tomllib.loads(file.read_text("utf-8"))["project"]
        summary = project["description"].partition(": ")[2]
        lines.append(f"| `examples/plugins/{project['name']}` | {summary[:1].upper()}{summary[1:]}. |")
    return "\n".join(lines)


def other_packages(docs: Path) -> str:
    """Return the packages of others that ``packages.yml`` lists."""
    entries: list[dict[str, Any]] = yaml.safe_load((docs / "packages.yml").read_text("utf-8"))
    if not entries:
        return "None is listed yet. Yours can be the first."
    lines = ["| package | provides | what it does |", "|---|---|---|"]
    for entry in entries:
        brings = ", ".join(f"`{name}`" for name in entry["brings"])
        link = f"[`{entry['name']}`]({entry['address']})" if entry.get("address") else f"`{entry['name']}`"
        lines.append(f"| {link} | {brings} | {entry['summary']} |")
    return "\n".join(lines)


# --- the reference of the hooks ---------------------------------------------------------------------------------------


def loop(docs: Path) -> str:
    """Return the docstring of the specifications: the loop as pseudocode, and rules for all hooks."""
    return markdown(inspect.getdoc(hookspecs) or "").partition("\n\n")[2]


def loop_hooks(docs: Path) -> str:
    """Return the hooks that call methods of callbacks."""
    methods = {hook: method for method, hook in METHODS.items()}
    return "\n".join(_hook(hook, _method(methods[hook])) for hook in HOOKS if hook in methods)


def service_hooks(docs: Path) -> str:
    """Return the hooks of plugins outside the loop."""
    manager = pluggy.PluginManager("cthulhu")
    manager.add_hookspecs(hookspecs)
    first = "The first answer that is not None is taken."
    every = "Every plugin is asked, and every answer counts."
    text = ""
    for hook in HOOKS:
        if hook not in METHODS.values():
            spec = getattr(manager.hook, hook).spec
            text += _hook(hook, first if spec.opts.get("firstresult") else every)
    return text


def _hook(name: str, more: str) -> str:
    spec = getattr(hookspecs, name)
    signature = inspect.signature(spec)
    arguments = [f"{each.name}: {each.annotation}" for each in signature.parameters.values()]
    line = f"def {name}({', '.join(arguments)}) -> {signature.return_annotation}"
    if len(line) > 88:
        inner = "".join(f"    {argument},\n" for argument in arguments)
        line = f"def {name}(\n{inner}) -> {signature.return_annotation}"
    text = markdown(inspect.getdoc(spec) or "")
    return f"### {name} {{ #{name} }}\n\n```python\n{line}\n```\n\n{text}\n\n{more}\n\n"


def _method(name: str) -> str:
    arguments = [each for each in inspect.signature(getattr(Callback, name)).parameters if each != "self"]
    return f"As a method of a callback: [`{name}({', '.join(arguments)})`][cthulhu_core.Callback.{name}]"


# --- what an author imports -------------------------------------------------------------------------------------------


def author_names(docs: Path) -> str:
    """Return the reference of all names in ``cthulhu_core`` without a page of their own."""
    names = [name for name in cthulhu_core.__all__ if name not in CORE_NAMES and name[0] != "_" and name != "Logs"]
    return "\n".join(f"::: cthulhu_core.{name}\n" for name in names)


def contract_tests(docs: Path) -> str:
    """Return the standard tests of a callback: a paragraph for each base class, a line for each test."""
    from cthulhu_core.testing import CallbackContract

    text = ""
    for part in CallbackContract.__mro__[1:]:
        tests = [test for name, test in vars(part).items() if name.startswith("test_")]
        if tests:
            title = _first_line(part).removeprefix("Standard tests: ")
            text += f"**{title}**\n\n" + "".join(f"- {_first_line(test)}\n" for test in tests) + "\n"
    return text


def _first_line(documented: object) -> str:
    return markdown((inspect.getdoc(documented) or "").partition("\n\n")[0].replace("\n", " "))


def fixtures(docs: Path) -> str:
    """Return the fixtures for ``conftest.py``, and the reference of the objects they return."""
    module = griffe.load("cthulhu_core.testing.fixtures")
    found = [each for each in module.functions.values() if any("fixture" in str(d.value) for d in each.decorators)]
    lines = ["| fixture | what it is |", "|---|---|"]
    given: list[str] = []
    for fixture in found:
        sentence = fixture.docstring.value.partition("\n\n")[0] if fixture.docstring else ""
        text, _, _ = sentence.replace("\n", " ").rstrip(".").partition(": :")  # what it gives is below
        lines.append(f"| `{fixture.name}` | {markdown(text)} |")
        names = fixture.returns.iterate() if isinstance(fixture.returns, griffe.Expr) else ()
        given += [each.canonical_path for each in names if isinstance(each, griffe.ExprName)]
    ours = [path for path in dict.fromkeys(given) if path.startswith("cthulhu_core.testing.")]
    reference = [f"::: {path}\n    options:\n      heading_level: 3\n" for path in ours]
    return "\n".join([*lines, "", *reference])


def floors(docs: Path) -> str:
    """Return the picture of the floors of the core."""
    return picture(layers(docs.parent))


PARTS: dict[str, Callable[[Path], str]] = {
    part.__name__: part
    for part in (
        *(author_names, callbacks, contract_tests, example_packages, fixtures, floors),
        *(loop, loop_hooks, official_packages, other_packages, service_hooks),
    )
}
"""The functions that fill ``<!-- generated: NAME -->``."""
