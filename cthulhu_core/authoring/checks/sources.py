"""Rules for the source code, which is parsed and not run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import cthulhu_core
from cthulhu_core.authoring.checks.package import Finding, Package

_CORE = "cthulhu_core"
_PUBLIC_MODULES = ("testing",)
"""The modules of the core that packages may import, besides the core itself."""


def public_names(package: Package) -> Iterator[Finding]:
    """It imports only public names of the core."""
    for file in package.sources():
        try:
            tree = ast.parse(file.read_bytes())
        except SyntaxError as error:
            yield Finding(f"this is not Python: {error.msg}", package.where(file, error.lineno or 1), "repair it")
            continue
        for node in ast.walk(tree):
            for name in _private_imports(node):
                yield Finding(
                    f"{name} is private to cthulhu-core: any version may change it",
                    package.where(file, getattr(node, "lineno", 1)),
                    _public_instead(node),
                )


def _private_imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names if not _is_public(name.name)]
    if not isinstance(node, ast.ImportFrom) or node.level or node.module is None:
        return []
    if node.module == _CORE:
        public = {*cthulhu_core.__all__, "*", *_PUBLIC_MODULES}
        return [f"cthulhu_core.{name.name}" for name in node.names if name.name not in public]
    return [] if _is_public(node.module) else [node.module]


def _is_public(module: str) -> bool:
    """Return whether packages may import a module."""
    top, _, below = module.partition(".")
    return top != _CORE or below.partition(".")[0] in ("", *_PUBLIC_MODULES)


def _public_instead(node: ast.AST) -> str:
    names = [name.name for name in node.names] if isinstance(node, ast.ImportFrom) else []
    if names and set(names) <= set(cthulhu_core.__all__):
        return f"write from cthulhu_core import {', '.join(names)}"
    return "import only names in cthulhu_core.__all__; if one is missing there, open an issue"
