"""The sessions that check this repository. ``nox`` runs the default set, ``nox --list`` lists all of them.

They test what users get: wheels, built once, in environments of their own, without the source tree on the path.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.metadata import distributions
from pathlib import Path

import nox
from nox.command import CommandFailed
from nox.project import dependency_groups, load_toml

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
DIST = ROOT / ".nox" / "dist"
CONSTRAINTS = ROOT / "constraints.txt"
CORE = "cthulhu-core"
FOLDERS = {load_toml(file)["project"]["name"]: file.parent for file in sorted(ROOT.glob("plugins/*/pyproject.toml"))}
PLUGINS = list(FOLDERS)
PAGES = [name for name, folder in FOLDERS.items() if (folder / "tests_browser").exists()]
FOLDERS[CORE] = ROOT
# Treated like packages of strangers: only the session examples knows them.
EXAMPLES = {load_toml(file)["project"]["name"]: file.parent for file in ROOT.glob("examples/plugins/*/pyproject.toml")}
OF_ALL_PACKAGES = ("distributed", "docs", "together")
CORE_TESTS = [str(ROOT / "tests"), *(f"--ignore={ROOT / 'tests' / folder}" for folder in OF_ALL_PACKAGES)]
GROUPS = ("cthulhu.callbacks", "cthulhu.plugins")

# pip and uv find the same wheels.
if "PIP_FIND_LINKS" in os.environ:
    os.environ.setdefault("UV_FIND_LINKS", ",".join(os.environ["PIP_FIND_LINKS"].split()))

# More threads slow down models as small as those of the tests, a lot on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The tests start hundreds of processes, and with this variable each of them would compile torch again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def install(session: nox.Session, *requirements: str | Path, constraints: Path = CONSTRAINTS) -> None:
    """Install pinned packages."""
    session.install("--constraint", str(constraints), *map(str, requirements))


def group(name: str, package: str = CORE) -> list[str]:
    """Return a dependency group of a package."""
    return list(dependency_groups(load_toml(FOLDERS[package] / "pyproject.toml"), name))


def wheel(package: str) -> Path:
    """Return the wheel that the session ``build`` made."""
    (path,) = DIST.glob(f"{package.replace('-', '_')}-*.whl")
    return path


def whole(package: str) -> str | Path:
    """Return a plugin's wheel with all of its extras; those of the core are the plugins themselves."""
    extras = load_toml(FOLDERS[package] / "pyproject.toml")["project"].get("optional-dependencies", {})
    if package == CORE or not extras:
        return wheel(package)
    return f"{package}[{','.join(extras)}] @ {wheel(package).as_uri()}"


def core_with(extra: str) -> str:
    """Return the core's wheel with one of its extras."""
    return f"{CORE}[{extra}] @ {wheel(CORE).as_uri()}"


def program(session: nox.Session, name: str) -> str | None:
    """Return the path of a program, after installing the Debian package of that name if it is missing and possible."""
    if shutil.which(name) is None and shutil.which("apt-get") and os.geteuid() == 0:
        session.run("apt-get", "update", "--quiet", external=True, silent=True)
        session.run("apt-get", "install", "--yes", "--quiet", name, external=True, silent=True)
    return shutil.which(name)


def pytest(session: nox.Session, *arguments: str | Path, marks: str = "not slow") -> None:
    """Run pytest with the settings of the root, in a folder from which the checkout cannot be imported."""
    session.chdir(session.create_tmp())
    settings = ["-c", str(ROOT / "pyproject.toml"), "--numprocesses=2", "--dist=worksteal"]
    settings += ["-m", marks]
    session.run("pytest", *settings, *map(str, arguments), *session.posargs)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build the source distribution of each package, and from that its wheel."""
    install(session, *group("build"))
    program(session, "npm")  # fetches uPlot for cthulhu-remote
    shutil.rmtree(DIST, ignore_errors=True)
    for folder in FOLDERS.values():
        session.run("python", "-m", "build", "--no-isolation", "--outdir", str(DIST), str(folder), silent=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Lint rules, format, and imports between modules and packages; ``-- --imports`` checks only the latter."""
    install(session, *group("lint"))
    if "--imports" not in session.posargs:
        session.run("ruff", "check")
        session.run("ruff", "format", "--check")
    # import-linter reads the sources, so nothing has to be installed.
    sources = [FOLDERS[name] / "src" for name in PLUGINS]
    packages = {package.name for source in sources for package in source.iterdir() if (package / "py.typed").exists()}
    if missing := packages - set(load_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]["root_packages"]):
        session.error(f"add {', '.join(sorted(missing))} to the lists of [tool.importlinter] in pyproject.toml")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": os.pathsep.join(map(str, sources))})


@nox.session(requires=["build"])
def types(session: nox.Session) -> None:
    """Strict types."""
    install(session, wheel(CORE), *group("types"))
    sources = [str(folder / "src") for folder in [*map(FOLDERS.__getitem__, PLUGINS), *EXAMPLES.values()]]
    session.run("mypy", "cthulhu_core", "cthulhu", "noxfile.py", *sources)


@nox.session(requires=["build"])
@nox.parametrize("package", [CORE, *PLUGINS], ids=[CORE, *PLUGINS])
def wheels(session: nox.Session, package: str) -> None:
    """The content of a wheel, and whether it installs and imports alone."""
    project = load_toml(FOLDERS[package] / "pyproject.toml")["project"]
    declared = {(kind, *point) for kind, points in project.get("entry-points", {}).items() for point in points.items()}
    (built,) = distributions(path=[str(wheel(package))])
    offered = {(point.group, point.name, point.value) for point in built.entry_points if point.group in GROUPS}
    files = built.files or []
    modules = sorted({file.parts[0] for file in files if not file.parts[0].endswith(".dist-info")})
    problems = {
        "has no licence": not any(file.match("*.dist-info/licenses/LICENSE") for file in files),
        "has no py.typed": not {f"{module}/py.typed" for module in modules} <= set(map(str, files)),
        "has tests in it": any(
            file.suffix == ".py" and ("tests" in file.parts or file.name.startswith("test_")) for file in files
        ),
        f"offers {offered}, not {declared}": offered != declared,
        "offers nothing": package in PLUGINS and not offered,
    }
    if wrong := [problem for problem, there in problems.items() if there]:
        session.error(f"{wheel(package).name} {', '.join(wrong)}")
    install(session, *dict.fromkeys([wheel(CORE), wheel(package)]))
    session.chdir(session.create_tmp())
    for module in modules:
        session.run("python", "-c", f"import {module}")
    for kind, name, value in sorted(declared):
        load = f"EntryPoint({name!r}, {value!r}, {kind!r}).load()"
        session.run("python", "-c", f"from importlib.metadata import EntryPoint; {load}")


@nox.session(requires=["build"])
def demo(session: nox.Session) -> None:
    """Train a model on real data with every package, each found through its entry point."""
    install(session, *map(whole, FOLDERS), *group("demo"))
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session(requires=["build"], default=False)
def bench(session: nox.Session) -> None:
    """Benchmarks, compared with loops by hand and with other trainers, which goes to docs/benchmarks.md."""
    measured = ["cthulhu-progbar", "cthulhu-checkpoint", "cthulhu-tensorboard", "cthulhu-remote"]
    install(session, wheel(CORE), *map(wheel, measured), "trustme", *group("peers"))
    session.env.update({"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"})
    over = []
    for name in (
        "overhead",
        "costs",
        "startup",
        "distributed",
        "progbar",
        "checkpoint",
        "tensorboard",
        "remote",
        "peers/compare",
    ):
        try:
            session.run("python", f"benchmarks/{name}.py", *session.posargs)
        except CommandFailed:  # the others are still worth knowing
            over.append(name)
    if over:
        session.error(f"failed or over budget: {', '.join(over)}")


@nox.session(requires=["build"])
@nox.parametrize("name", PLUGINS, ids=PLUGINS)
def plugin(session: nox.Session, name: str) -> None:
    """The tests of a plugin, with nothing but the core."""
    install(session, wheel(CORE), whole(name), *group("test", name))
    pytest(session, FOLDERS[name] / "tests")


@nox.session(requires=["build"])
def keras(session: nox.Session) -> None:
    """Files of cthulhu-checkpoint in Keras, and files of Keras here."""
    install(session, wheel(CORE), wheel("cthulhu-checkpoint"), *group("keras", "cthulhu-checkpoint"))
    session.env["KERAS_BACKEND"] = "torch"
    pytest(session, FOLDERS["cthulhu-checkpoint"] / "tests_keras")


@nox.session(requires=["build"], default=False)
@nox.parametrize("name", PAGES, ids=PAGES)
def browser(session: nox.Session, name: str) -> None:
    """The pages of a plugin in Debian's Chromium; screenshots go to browser-output."""
    chromium = program(session, "chromium")
    if chromium is None:
        session.skip("chromium is not installed and cannot be: apt-get install chromium")
    install(session, wheel(CORE), whole(name), *group("browser", name))
    session.env.update({"CHROMIUM": chromium, "SCREENSHOTS": str(ROOT / "browser-output")})
    pytest(session, FOLDERS[name] / "tests_browser")


@nox.session(requires=["build"])
def docs(session: nox.Session) -> None:
    """Build the documentation into ``site`` from the wheels; run its examples and its tutorial."""
    install(session, *map(whole, FOLDERS), *group("docs"), *group("test"))
    site = ROOT / "site"
    # The theme prints an announcement otherwise.
    session.env.update({"NO_MKDOCS_2_WARNING": "1", "SITE": str(site)})
    session.run("mkdocs", "build", "--strict", "--quiet", "--clean", "--site-dir", str(site))
    session.env["WHEELS"] = str(DIST)  # the tutorial installs them in a new environment
    pytest(session, ROOT / "tests" / "docs")


@nox.session(requires=["build"], default=False)
def pictures(session: nox.Session) -> None:
    """Make the pictures of the documentation, each from a training; some show pages in Debian's Chromium."""
    chromium = program(session, "chromium")
    if chromium is None:
        session.skip("chromium is not installed and cannot be: apt-get install chromium")
    install(session, *map(whole, FOLDERS), *group("pictures"))
    session.env["CHROMIUM"] = chromium
    session.run("python", "docs/pictures/make.py", *session.posargs)


@nox.session(requires=["build"])
def lowest(session: nox.Session) -> None:
    """Packages with requirements besides torch, with the lowest versions that they declare."""
    if session.venv_backend != "uv":
        session.skip("only uv can choose the lowest versions: pip install uv")
    declared = [f"--requirement={folder / 'pyproject.toml'}" for folder in FOLDERS.values()]
    links = {"UV_FIND_LINKS": ",".join(filter(None, [str(DIST), os.environ.get("UV_FIND_LINKS")]))}
    pins = CONSTRAINTS.read_text().splitlines()
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    extra = "--extra=server"  # of cthulhu-remote
    session.install("--resolution=lowest-direct", "--only-binary=:all:", torch, *declared, extra, env=links)
    lowest = str(session.run("uv", "pip", "freeze", "--quiet", silent=True, external=True)).splitlines()
    chosen = {pin.partition("==")[0] for pin in [*lowest, *group("lowest")]}
    constraints = Path(session.create_tmp(), "constraints.txt")
    constraints.write_text("\n".join([*lowest, *(pin for pin in pins if pin.partition("==")[0] not in chosen)]))
    tools = [*group("lowest"), *(tool for name in FOLDERS for tool in group("test", name))]
    install(session, *map(whole, FOLDERS), *tools, constraints=constraints)
    # Packages that require only the core have nothing to lower.
    requires = {name: load_toml(FOLDERS[name] / "pyproject.toml")["project"]["dependencies"] for name in PLUGINS}
    demanding = [name for name in PLUGINS if len(requires[name]) > 1]
    pytest(
        session,
        *sorted(ROOT.glob("tests/test_*.py")),
        *(ROOT / "tests" / folder for folder in ("checkpoints", "cli", "contract", "installed", "run")),
        *(FOLDERS[name] / "tests" for name in demanding),
    )


@nox.session(requires=["build"])
def together(session: nox.Session) -> None:
    """``cthulhu check`` on each package, and the tests that need several of them."""
    install(session, *map(whole, FOLDERS), *group("test"))
    session.run("cthulhu", "check")
    pytest(session, ROOT / "tests" / "together")


@nox.session(requires=["build"])
def distributed(session: nox.Session) -> None:
    """The tests in which several processes train together."""
    install(session, *map(whole, FOLDERS), *group("test"))
    pytest(session, ROOT / "tests" / "distributed")


@nox.session(requires=["build"])
def template(session: nox.Session) -> None:
    """Packages that ``cthulhu new`` writes: built, installed, and checked by their own noxfile."""
    install(session, core_with("testing"), *group("template"))
    cache = str(Path(session.create_tmp(), "mypy").resolve())
    # Not below .nox: ruff leaves out what git ignores.
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        for name in ("acme-x", "cthulhu-a-name-of-thirty-five-signs", "cthulhu-slack"):
            session.run("cthulhu", "new", name)
            session.run("ruff", "check", name)
            session.run("ruff", "format", "--check", name)
        session.chdir("cthulhu-slack")
        session.run("python", "-m", "build", "--no-isolation", "--wheel", silent=True)
        install(session, *Path("dist").glob("*.whl"))
        session.run("nox", "--no-venv", "--no-install", env={"MYPY_CACHE_DIR": cache})


@nox.session(requires=["build"])
def examples(session: nox.Session) -> None:
    """The example packages, installed like those of strangers: their tests, and ``cthulhu check``."""
    tools = [
        tool for folder in EXAMPLES.values() for tool in dependency_groups(load_toml(folder / "pyproject.toml"), "test")
    ]
    install(session, core_with("testing"), *group("build"), *dict.fromkeys(tools))
    built = Path(session.create_tmp(), "dist")
    shutil.rmtree(built, ignore_errors=True)
    for folder in EXAMPLES.values():
        session.run(
            "python", "-m", "build", "--no-isolation", "--wheel", "--outdir", str(built), str(folder), silent=True
        )
    install(session, *built.glob("*.whl"))
    session.run("cthulhu", "check", *EXAMPLES)
    pytest(session, *(folder / "tests" for folder in EXAMPLES.values()))


@nox.session(requires=["build"])
def tests(session: nox.Session) -> None:
    """The tests of the core, alone."""
    install(session, wheel(CORE), *group("test"))
    pytest(session, *CORE_TESTS)


@nox.session(requires=["build"], default=False)
def slow(session: nox.Session) -> None:
    """All tests that take more than a few seconds."""
    tools = [*group("test"), *(tool for name in PLUGINS for tool in group("test", name))]
    install(session, *map(whole, FOLDERS), *dict.fromkeys(tools))
    pytest(session, ROOT / "tests", *(FOLDERS[name] / "tests" for name in PLUGINS), marks="slow")


@nox.session(default=False)
def nightly(session: nox.Session) -> None:
    """What takes too long for every change: the sessions slow and browser, and bench against its budgets."""
    session.notify("slow")
    for name in PAGES:
        session.notify(f"browser({name})")
    session.notify("bench", posargs=["--check"])
