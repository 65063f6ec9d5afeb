"""The examples of the README run as they are printed, from the first to the last."""

import re
from pathlib import Path

from examples_in_pages import blocks, run

README = Path(__file__).parents[2] / "README.md"


def test_examples_run_in_the_order_of_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert len(blocks(README)) >= 6
    namespace = run(README)
    assert len(namespace["history"].losses) == 20 * 8
    assert namespace["run"].history.epoch == [0, 1, 2]
    header = (tmp_path / "run" / "largest.csv").read_text().splitlines()[0]
    assert header == "epoch,acc,largest_loss,loss"
    assert "run.batch_end(batch, logs)" in capsys.readouterr().out


def test_packages_named_in_the_table_are_those_of_the_repository():
    named = set(re.findall(r"\]\(plugins/([\w-]+)/README\.md\)", README.read_text(encoding="utf-8")))
    assert named == {folder.parent.name for folder in README.parent.glob("plugins/*/pyproject.toml")}
