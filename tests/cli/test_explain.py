"""``cthulhu explain``: the loop with everybody in their place, without a script."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cthulhu_core.cli.main import main
from foreign import install


@pytest.mark.parametrize("option", [True, False])
def test_explain_shows_what_a_configuration_attaches_and_what_plugins_add(site, tmp_path, monkeypatch, capsys, option):
    module = """
        from cthulhu_core import Callback, hookimpl
        class Acme(Callback):
            def on_epoch_end(self, epoch, logs): ...
        @hookimpl
        def cthulhu_default_callbacks(run):
            return [Acme()] if run.params["verbose"] else None
    """
    install(site, "acme", modules={"acme": module}, callbacks={"Acme": "acme:Acme"}, plugins={"always": "acme"})
    config = tmp_path / "run.toml"
    config.write_text("[callbacks.Acme]")
    monkeypatch.setenv("CTHULHU_CONFIG", "lost.toml" if option else str(config))
    assert main(["explain", *(["--config", str(config)] if option else [])]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("    run.epoch_end(epoch, logs)")
    acme = [line.strip() for line in lines[at + 1 : at + 6] if "Acme" in line]
    assert acme == [
        "- Acme (acme 1.0): added by plugin always",
        f"- Acme (acme 1.0): {config} [callbacks.Acme]",
    ]
    assert lines[lines.index("    default_callbacks(run)") :][1].startswith("        - ")


def test_mistake_in_the_configuration_is_one_line_and_status_1(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("CTHULHU_CONFIG", raising=False)
    monkeypatch.setenv("CTHULHU_CONFIG", "")  # so that what --config sets is taken back
    config = tmp_path / "run.toml"
    config.write_text("[callbacks.Acmee]")
    assert main(["explain", "--config", str(config)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"cthulhu explain: {config} [callbacks.Acmee]: ")
    assert printed.err.count("\n") == 1


def test_explaining_imports_no_torch():
    code = "import sys; from cthulhu_core.cli.main import main; main(['explain']); print('torch' in sys.modules)"
    environment = {**os.environ, "CTHULHU_DISABLE": "*"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
