"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

from cthulhu_core.testing import PackageContract
from cthulhu_terminate_on_nan import TerminateOnNaN


class TestPackage(PackageContract):
    callback = TerminateOnNaN

    def test_example_in_the_readme_prints_what_the_page_says(self, capsys):
        self.run_readme()
        printed = capsys.readouterr().out
        assert printed == "Epoch 00001: batch 6: invalid loss nan, terminating training\n"
        assert printed in self.readme
