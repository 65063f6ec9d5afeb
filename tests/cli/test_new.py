"""``cthulhu new``: the names that follow from one, the files, what is refused. The session template builds them."""

from __future__ import annotations

import ast
import builtins
import datetime
import errno
import re
import sys

import pytest

from cthulhu_core.authoring import scaffold
from cthulhu_core.authoring.scaffold import Names, RefusedName
from cthulhu_core.cli.main import main
from foreign import install

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILES = [
    ".github/workflows/ci.yml",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "noxfile.py",
    "pyproject.toml",
    "src/cthulhu_stop_when_good/__init__.py",
    "src/cthulhu_stop_when_good/py.typed",
    "src/cthulhu_stop_when_good/stop_when_good.py",
    "tests/test_contract.py",
    "tests/test_package.py",
    "tests/test_stop_when_good.py",
]


OFFICIAL = [file for file in FILES if file not in (".github/workflows/ci.yml", ".gitignore", "noxfile.py")]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, the current one, and nobody whom git knows."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return folder


def written(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("cthulhu-slack", ("cthulhu-slack", "cthulhu_slack", "slack", "Slack")),
        (
            "cthulhu-stop-when-good",
            ("cthulhu-stop-when-good", "cthulhu_stop_when_good", "stop_when_good", "StopWhenGood"),
        ),
        ("acme-slack", ("acme-slack", "acme_slack", "acme_slack", "AcmeSlack")),
        ("Cthulhu_Slack.2", ("cthulhu-slack-2", "cthulhu_slack_2", "slack_2", "Slack2")),
    ],
)
def test_names_of_module_and_class_follow_from_that_of_the_package(given, names):
    assert tuple(Names.of(given)) == names


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "expected letters, digits and hyphens, e.g. cthulhu-slack"),
        ("cthulhu-", "expected letters, digits and hyphens"),
        ("cthulhu-slack!", "expected letters, digits and hyphens"),
        ("../slack", "expected letters, digits and hyphens"),
        ("cthulhu-3d", "its module or class would be called '3d', which Python does not allow: choose another one"),
        ("cthulhu-import", "would be called 'import', which Python does not allow"),
        ("cthulhu-none", "would be called 'None', which Python does not allow"),
        ("cthulhu-" + "x" * 28, "it has 36 characters; choose one of at most 35"),
        ("cthulhu-early-stopping", "EarlyStopping is the callback in cthulhu-early-stopping: choose another one"),
        ("acme-early-stopping", None),
        ("cthulhu-early-stop-ping", None),
        ("cthulhu-tensor-board", "TensorBoard is the callback in cthulhu-tensorboard: choose another one"),
        ("cthulhu-history", "its callback would be called History, which is something else"),
        ("cthulhu-exception", "its callback would be called Exception, which is something else"),
        ("cthulhu-pile", "its callback would be called Pile, which is something else"),
        ("cthulhu-core", "a module cthulhu_core can be imported already"),
        ("cthulhu", "a module cthulhu can be imported already: choose another one, or uninstall it"),
        ("json", "a module json can be imported already"),
        ("torch", "a module torch can be imported already"),
    ],
)
def test_name_that_cannot_be_is_refused_with_the_reason(given, reason):
    if reason is None:
        Names.of(given)
        return
    with pytest.raises(RefusedName, match=re.escape(reason)) as refused:
        Names.of(given)
    assert str(refused.value).startswith(f"{given!r} cannot be the name of a new package: ")


def test_name_that_an_installed_package_has_or_offers_is_refused(site):
    install(site, "acme-tools", "1.5", modules={"acme_tools": ""}, callbacks={"Slack": "acme_tools:Slack"})
    with pytest.raises(RefusedName, match=r"acme-tools 1\.5 is installed and offers Slack: choose another one"):
        Names.of("cthulhu-slack")
    with pytest.raises(RefusedName, match="a module acme_tools can be imported already"):
        Names.of("acme-tools")


def test_everything_that_a_package_needs_is_written(here, capsys):
    assert main(["new", "cthulhu-stop-when-good"]) == 0
    folder = here / "cthulhu-stop-when-good"
    assert written(folder) == FILES
    assert [path.name for path in here.iterdir()] == [folder.name]
    assert capsys.readouterr().out.splitlines()[:7] == [
        "cthulhu-stop-when-good: 13 files, with the callback StopWhenGood. Next:",
        "",
        "  cd cthulhu-stop-when-good",
        '  pip install -e ".[test]"              # now `from cthulhu.callbacks import StopWhenGood` works',
        "  pytest                                # its tests, and the standard tests of callbacks",
        "  cthulhu check cthulhu-stop-when-good  # problems that its users would have",
        "  pip install nox uv && nox             # everything that its CI runs",
    ]


def test_placeholders_are_filled_everywhere(here):
    main(["new", "cthulhu-stop-when-good"])
    folder = here / "cthulhu-stop-when-good"
    left = {file: re.findall(r"\$\w+|\$\{\w+\}", (folder / file).read_text(encoding="utf-8")) for file in FILES}
    assert {file: found for file, found in left.items() if found} == {}
    assert "${{ matrix.python }}" in (folder / ".github/workflows/ci.yml").read_text()


def test_project_declares_entry_point_requirement_and_author(here):
    (here.parent / "gitconfig").write_text('[user]\n\tname = Ada \\"A\\" Lovelace\n')
    main(["new", "acme-slack"])
    text = (here / "acme-slack" / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    assert project["entry-points"] == {"cthulhu.callbacks": {"AcmeSlack": "acme_slack:AcmeSlack"}}
    assert project["dependencies"] == ["cthulhu-core>=0.1,<1"]
    assert project["optional-dependencies"] == {"test": ["cthulhu-core[testing]"]}
    assert project["authors"] == [{"name": 'Ada "A" Lovelace'}]
    licence = (here / "acme-slack" / "LICENSE").read_text(encoding="utf-8")
    assert f'Copyright (c) {datetime.date.today().year} Ada "A" Lovelace\n' in licence


def test_without_git_the_authors_are_those_of_the_package(here, monkeypatch):
    monkeypatch.setenv("PATH", str(here))
    main(["new", "acme-slack"])
    project = tomllib.loads((here / "acme-slack" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["authors"] == [{"name": "The authors of acme-slack"}]


def test_folder_can_be_elsewhere(here, capsys):
    (here / "my code").mkdir()
    assert main(["new", "acme-slack", "--folder", "my code"]) == 0
    assert (here / "my code" / "acme-slack" / "pyproject.toml").is_file()
    assert "\n  cd 'my code/acme-slack'\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["acme-slack"], "acme-slack is there already: choose another name or --folder, or move it away\n"),
        (
            ["acme-slack", "--folder", "no"],
            "no: No such file or directory: choose a writable folder with --folder\n",
        ),
        (["json"], "'json' cannot be the name of a new package: a module json can be imported already"),
    ],
)
def test_refusal_is_a_sentence_and_writes_nothing(here, capsys, arguments, message):
    (here / "acme-slack").mkdir()
    assert main(["new", *arguments]) == 1
    assert capsys.readouterr().err.startswith(message)
    assert written(here) == []
    assert [path.name for path in here.iterdir()] == ["acme-slack"]


@pytest.fixture
def checkout(here):
    """The root of a checkout of this repository, as far as a new package needs it."""
    (here / "pyproject.toml").write_text('[project]\nname = "cthulhu-core"\n')
    (here / "plugins").mkdir()
    return here


def test_official_package_has_what_the_root_does_not_give(checkout, capsys):
    assert main(["new", "cthulhu-stop-when-good", "--official"]) == 0
    folder = checkout / "plugins" / "cthulhu-stop-when-good"
    assert written(folder) == OFFICIAL
    printed = capsys.readouterr().out
    assert printed.startswith("plugins/cthulhu-stop-when-good: 10 files, with the callback StopWhenGood.")
    assert 'nox -s lint types "plugin(cthulhu-stop-when-good)" together docs' in printed
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["authors"] == [{"name": "The cthulhu authors"}]
    assert project["dependency-groups"] == {"test": ["pytest", "pytest-xdist"]}
    assert "optional-dependencies" not in project["project"]
    assert "ruff" not in project["tool"]
    assert "Development" not in (folder / "README.md").read_text()


def test_official_package_differs_from_others_in_no_file_of_code(checkout):
    main(["new", "cthulhu-stop-when-good", "--official"])
    main(["new", "cthulhu-stop-when-good"])
    ours, theirs = checkout / "plugins" / "cthulhu-stop-when-good", checkout / "cthulhu-stop-when-good"
    code = [file for file in OFFICIAL if file.endswith(".py")]
    assert [(ours / file).read_text() for file in code] == [(theirs / file).read_text() for file in code]


def test_official_package_is_refused_outside_a_checkout(here, capsys):
    assert main(["new", "acme-slack", "--official"]) == 1
    assert capsys.readouterr().err == (
        f"--official writes a package of the cthulhu repository: {here} is not the root of a checkout; change to it, "
        "name it with --folder, or leave out --official\n"
    )
    assert written(here) == []


def test_failure_in_the_midst_leaves_nothing(here, monkeypatch, capsys):
    real, count = scaffold._write, iter(range(100))

    def write(*arguments):
        if next(count) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(scaffold, "_write", write)
    assert main(["new", "acme-slack"]) == 1
    assert list(here.iterdir()) == []
    assert capsys.readouterr().err == ".: No space left on device: choose a writable folder with --folder\n"


def test_classes_that_the_files_import_are_no_names_of_callbacks(here):
    main(["new", "acme-slack"])
    imported = set()
    folder = here / "acme-slack"
    sources = [file.read_text(encoding="utf-8") for file in folder.rglob("*.py")]
    sources += re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imported |= {name.asname or name.name for name in node.names}
    classes = {name for name in imported if name[0].isupper()} - {"AcmeSlack"}
    assert classes == scaffold._IN_TEMPLATE | {"Callback"}
    assert not classes & set(vars(builtins))
