"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

import re

from cthulhu_core.testing import PackageContract
from cthulhu_progbar import ProgbarLogger


class TestPackage(PackageContract):
    callback = ProgbarLogger
    plugins = {"progbar": "cthulhu_progbar.plugin"}

    def test_example_in_the_readme_prints_a_line_an_epoch(self, capsys):
        self.run_readme()
        lines = capsys.readouterr().out.splitlines()
        number = r"\d+\.\d{4}"
        values = rf"\d+\.\ds  loss {number}  acc {number}  val_loss {number}  val_acc {number}"
        assert len(lines) == 3
        for epoch, line in enumerate(lines, 1):
            assert re.fullmatch(rf"Epoch {epoch}/3  {values}", line)
