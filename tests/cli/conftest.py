"""The package that the tests of ``cthulhu check`` change."""

from __future__ import annotations

import pytest

from cthulhu_core.authoring.checks.package import find
from foreign import install
from good_package import GOOD


@pytest.fixture
def package(site):
    """Installs acme-tools, a good package but for what is said here, and gives it as the rules see it."""

    def package(**contents):
        install(site, "acme-tools", "1.5", **GOOD | contents)
        return find("acme-tools")

    return package
