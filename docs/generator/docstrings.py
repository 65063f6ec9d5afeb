"""Docstrings as Markdown: roles become links, doctests code that can be copied. griffe reads what is documented."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

from cthulhu_core import __all__ as author_names

ROLE = re.compile(r":(?:class|meth|func|data|mod|attr):`~?([\w.]+)`")
DOCTEST = re.compile(r"(?:^[ ]*(?:>>>|\.\.\.).*\n?)+", re.MULTILINE)
ATTRIBUTES = re.compile(r"^Attributes:\n((?:[ ]{4}.*(?:\n|$))+)", re.MULTILINE)
ATTRIBUTE = re.compile(r"^    ([\w, ]+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
LITERAL = re.compile(r"::\n((?:\n|[ ]{4,}.*(?:\n|$))+)")


def markdown(text: str) -> str:
    """A docstring, without its indentation, as Markdown that griffe reads."""
    text = ROLE.sub(_link, text)
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    text = ATTRIBUTES.sub(_attributes, text)
    text = DOCTEST.sub(_code, text)
    return LITERAL.sub(lambda found: f":\n\n{_fenced(textwrap.dedent(found[1]), 'text')}\n", text)


def _link(found: re.Match[str]) -> str:
    """A link where the site has the name, else the name alone."""
    name = found[1].removeprefix("cthulhu_core.")
    label = found[1].rpartition(".")[2]
    if name.startswith("cthulhu_"):
        return f"[`{name}`](#{name})"  # a hook, named by a hook
    if name.startswith("on_"):
        return f"[`{name}`][cthulhu_core.Callback.{name}]"
    return f"[`{label}`][cthulhu_core.{name}]" if name in author_names else f"`{found[1]}`"


def _attributes(found: re.Match[str]) -> str:
    """A list. As a section, griffe would give those whose type it does not see the type of the one before."""
    lines = []
    for names, text in ATTRIBUTE.findall(found[1]):
        bold = ", ".join(f"**`{name}`**" for name in names.split(", "))
        lines.append(f"- {bold} \N{EN DASH} {' '.join(text.split())}")
    return "\n".join(["**Attributes:**", "", *lines, ""])


def _code(found: re.Match[str]) -> str:
    """The code of a doctest without its prompts, unless what it prints stands among it."""
    following = found.string[found.end() :].partition("\n")[0].strip()
    before = found.string[: found.start()].rstrip("\n").rpartition("\n")[2].strip()
    if following or before not in ("", "Examples:"):
        return found[0]
    lines = found[0].splitlines()
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    code = "\n".join(line.strip()[4:] for line in lines)
    return textwrap.indent(_fenced(code, "python"), indent) + "\n"


def _fenced(code: str, language: str) -> str:
    return "```" + language + "\n" + code.strip("\n") + "\n```"


class Docstrings(griffe.Extension):
    """Makes Markdown of every docstring that griffe has read."""

    def on_instance(self, *, obj: griffe.Object, **others: Any) -> None:
        """An object has been read, its docstring with it."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
