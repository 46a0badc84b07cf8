"""Every check of the project, wherever Python and pip are: ``python -m pip install "nox[uv]" && python -m nox``.

Other sessions: ``nox -s demo`` (watch it work), ``nox -s observe`` (watch it as an on-call does, with a real
Prometheus), ``nox -s conformance`` (what holds on which client),
``nox -s bench -- NAME`` (overhead, fleet, leaks) and ``nox -s upstream -- CLIENT`` (a client's own test suite with our
layer in it).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.error_on_missing_interpreters = False  # even in CI: what is not installed is reported as skipped
nox.options.download_python = "never"
nox.options.default_venv_backend = "uv|virtualenv"  # uv, where it is, saves minutes of installing

HERE = Path(__file__).parent
PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
ENV = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_COMPILE": "0",  # "no compiling", as pip spells it: most of what is installed is never imported
    "PYTHONDONTWRITEBYTECODE": "",  # and what is imported is compiled once
    "UV_HTTP_TIMEOUT": "180",  # seconds
}


def _put_pyenv_on_path() -> None:
    """Put every Python of pyenv behind its shims, which answer only for the versions switched on."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(str(folder) for folder in root.glob("versions/3.*/bin"))
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *found])


def _runs(version: str) -> bool:
    """Whether this Python is here and starts. The one that runs nox always counts."""
    if version == "{}.{}".format(*sys.version_info):
        return True
    for folder in os.environ["PATH"].split(os.pathsep):
        program = shutil.which(f"python{version}", path=folder)
        if (
            program is not None
            and subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            return True
    return False


_put_pyenv_on_path()
FOUND = [version for version in PYTHONS if _runs(version)]
RUNNING = "{}.{}".format(*sys.version_info)
# Sessions that run once need httpx2, so Python 3.11: the running one if it will do, else the newest here.
ONE = RUNNING if RUNNING in FOUND and RUNNING != "3.10" else (FOUND[-1] if FOUND else None)
# The tests run once on each Python: on that one against the built wheel, on every other one from the tree.
TESTS = [f"tests-{version}" for version in PYTHONS if version != ONE] if FOUND else ["tests"]
# One of the others has the lowest versions that are promised; 3.14 can't be it, for which they have no wheels.
LOWEST = next((version for version in ("3.12", "3.13", "3.11") if version in FOUND and version != ONE), ONE)
TESTS = [f"lowest-{LOWEST}" if it == f"tests-{LOWEST}" else it for it in TESTS]
SHARES = [version for version in FOUND if version != ONE]  # each has parameters of its own
# What has one thread, and often waits, is run beside what does so too; the tests have all cores.
IN_TURN, BESIDE = ("types", "layers", "sdk"), ("hostile", "docs")
nox.options.sessions = ["lint", "beside", *TESTS, "wheel"]


def _group(name: str) -> list[str]:
    """The requirements of one dependency group of pyproject.toml."""
    return list(nox.project.dependency_groups(PROJECT, name))


def _brief(session: nox.Session) -> str:
    """How the tests are run on a Python that is one of several: briefly, and of many parameters some."""
    place = SHARES.index(str(session.python)) if str(session.python) in SHARES else None
    return "brief" if place is None else f"brief:{place}/{len(SHARES)}"


def _pytest(session: nox.Session, *args: str, how: str = "all") -> None:
    workers = str(min(4, (os.cpu_count() or 1) + 1))  # one more than can run at once: many tests wait for time-outs
    # One hash seed for all workers: they must collect the same tests, also where a set is a test's parameter.
    parallel = ("-n", workers, "--dist", "worksteal")
    env = {**ENV, "PYTHONHASHSEED": "0", "ANYINT_TESTS": how}
    session.run("python", "-m", "pytest", *parallel, *args, env=env)


@nox.session(python=ONE)
def lint(session: nox.Session) -> None:
    """Ruff: rules, banned names and format."""
    session.install(*_group("lint"), env=ENV)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=ONE)
def types(session: nox.Session) -> None:
    """Mypy strict and pyright, over the packages and the public names in use (tests/typing)."""
    session.install("-e", ".[all]", *_group("types"), env=ENV)
    session.run("mypy")
    session.run("pyright")


@nox.session(python=ONE)
def layers(session: nox.Session) -> None:
    """Who may import whom: contracts of import-linter, and what a fresh interpreter really loads."""
    session.install("-e", ".[all]", *_group("layers"), env=ENV)
    session.run("lint-imports", "--no-cache")
    session.run("python", "-m", "pytest", "tests/layers", env=ENV)


@nox.session(python=PYTHONS if FOUND else ONE)
def tests(session: nox.Session) -> None:
    """All tests, on each Python found. ``nox -s tests -- -k word`` hands arguments to pytest.

    Without ``-s`` one Python is left out, where the session ``wheel`` runs the same tests, and more of them: what only
    another repetition or a second event loop would show is left to that one, and of a test with many parameters each
    Python plays some (``tests/brief.py``).
    """
    if not FOUND:
        session.error(f"none of Python {', '.join(PYTHONS)} was found")
    session.install("-e", ".[all]", *_group("test"), env=ENV)
    _pytest(session, *session.posargs, how="all" if session.python == ONE or session.posargs else _brief(session))


@nox.session(python=ONE)
def loops(session: nox.Session) -> None:
    """The tests of processes and event loops with gevent and uvloop, which no other environment has."""
    session.install("-e", ".[all]", *_group("loops"), env=ENV)
    _pytest(session, *(session.posargs if session.posargs else ["tests/processes"]))


@nox.session(python=["3.10", LOWEST] if LOWEST not in (None, "3.10") else ONE)
def lowest(session: nox.Session) -> None:
    """The tests, brief, with each dependency at its lower bound, which pyproject.toml promises.

    As the session ``tests``, it plays some of many parameters. ``-- --write`` plays them all, then again with the
    newest, and both are noted in hostile/results/supply.json, for docs/dependencies.md.
    The tools of the tests are the newest that go with them: OpenTelemetry's SDK and instrumentations come with its API.
    """
    constraints = Path(session.virtualenv.location, "lowest.txt")
    session.install(*_group("bounds"), env=ENV)
    session.run("python", "-m", "tools.supply.bounds", str(constraints), env=ENV)
    ours = ("-e", ".[all,pytest]", "hatchling", *_group("audit"), *_group("test"))
    session.install(*ours, "-c", str(constraints), env=ENV)
    session.run("python", "-m", "tools.supply.record", "lowest", env=ENV)
    _build(session, Path(session.virtualenv.location, "built"))
    _pytest(
        session, *(it for it in session.posargs if it != "--write"), how="brief" if session.posargs else _brief(session)
    )
    if "--write" in session.posargs:
        session.run("python", "-m", "tools.supply.record", "lowest", "--write", env=ENV)
        session.install("--upgrade", *ours, env=ENV)
        _pytest(session, how="brief")
        session.run("python", "-m", "tools.supply.record", "newest", "--write", env=ENV)


def _build(session: nox.Session, folder: Path) -> Path:
    """Build twice over, see that the bytes are the same and nothing strange in them, and return the wheel."""
    session.run("python", "-m", "tools.supply.building", str(folder), env=ENV)
    (built,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    session.run("python", str(HERE / "tools" / "check_wheel.py"), str(built), str(sdist))
    return built


@nox.session(python=ONE)
def audit(session: nox.Session) -> None:
    """The licences of all that we bring, and its known holes, where a service can be asked; else it says so."""
    session.install("-e", ".[all,pytest]", *_group("audit"), env=ENV)
    session.run("python", "-m", "tools.supply.licences", env=ENV)
    session.run("python", "-m", "tools.supply.holes", env=ENV)


SDKS = {
    name.removeprefix("sdk-"): name
    for name in PROJECT["dependency-groups"]
    if name.startswith("sdk-") and name != "sdk-kit"
}


@nox.session(python=ONE)
@nox.parametrize("name", list(SDKS), ids=list(SDKS))
def sdk(session: nox.Session, name: str) -> None:
    """One SDK or framework on our transports, in an environment of its own; ``nox -s "sdk(litellm)"``."""
    session.install("-e", ".[all]", *_group(SDKS[name]), env=ENV)
    module = name.rstrip("0123456789").replace("-", "_")
    files = sorted(str(path) for path in (HERE / "tests" / "sdks").glob(f"test_{module}*.py"))
    session.run("python", "-m", "pytest", *files, "-s", env=ENV)
    page = HERE / "docs" / "sdks" / f"{name.removesuffix('-openai')}.md"  # whose programs run where that SDK is
    if page.exists():
        offline = {**ENV, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else its import asks the network, in a thread
        session.run("python", "-m", "tools.check_docs", "--only", str(page.relative_to(HERE)), env=offline)


@nox.session(python=ONE)
def conformance(session: nox.Session) -> None:
    """Print the conformance matrix: each scenario on each client. ``-- --write`` puts it into docs/clients/index.md."""
    session.install("-e", ".[all]", *_group("test"), env=ENV)
    session.run("python", "-m", "tests.conformance.matrix", *session.posargs, env=ENV)


@nox.session(python=ONE)
def upstream(session: nox.Session) -> None:
    """A client's own test suite, bare and with our layer in every client it builds: requests, httpx, aiohttp, ..."""
    session.run("python", "tools/upstream/run.py", *session.posargs)


@nox.session(python=ONE)
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it outside the tree, and run the tests against what was installed."""
    with tempfile.TemporaryDirectory(prefix="anyint-resilience-") as folder:
        _test_wheel(session, Path(folder).resolve())


def _test_wheel(session: nox.Session, outside: Path) -> None:
    session.install(*_group("build"), env=ENV)
    built = _build(session, outside)
    session.install(f"anyint-resilience[all] @ {built.as_uri()}", *_group("test"), env=ENV)
    shutil.copytree(HERE / "tests", outside / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("observability", "benchmarks", "docs", "hostile"):
        shutil.copytree(HERE / name, outside / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "pyproject.toml", outside)  # for pytest's settings only
    with session.chdir(outside):
        _pytest(session, how="gate")


@nox.session(python=ONE)
def hostile(session: nox.Session) -> None:
    """Fuzz, chaos and soak, each in brief: what the sessions of those names do at length."""
    session.install("-e", ".[all]", *_group("fuzz"), *_group("chaos"), *_group("soak"), env=ENV)
    session.run("python", "-m", "hostile", *session.posargs, env=ENV)


@nox.session(venv_backend="none")
def beside(session: nox.Session) -> None:
    """The sessions types, layers and sdk, one after the other, and beside them hostile and docs."""
    again = (sys.executable, "-m", "nox", "-s")
    with tempfile.TemporaryFile() as said:
        other = subprocess.Popen([*again, *BESIDE], cwd=HERE, stdout=said, stderr=subprocess.STDOUT)
        try:
            session.run(*again, *IN_TURN, external=True)
        finally:
            code = other.wait()
            said.seek(0)
            sys.stdout.write(said.read().decode("utf-8", "replace"))
    if code:
        session.error(f"{' or '.join(BESIDE)} failed")


@nox.session(python=ONE)
def docs(session: nox.Session) -> None:
    """Every code block, command, link and table of the documents holds; the site is built strictly, and looked at.

    ``-- --only docs/load.md``: the blocks and links of some pages, and nothing else. The site is in ``site/``: start
    ``python -m http.server -d site`` to read it.
    """
    session.install("-e", ".[all]", *_group("docs"), env=ENV)
    session.run("python", "-m", "tools.check_docs", *session.posargs, env=ENV)
    if "--only" in session.posargs:
        return
    session.run("python", "-m", "tools.site.tables", env=ENV)
    # Without --quiet: of what that leaves unsaid --strict knows nothing.
    session.run("python", "-m", "mkdocs", "build", "--strict", env={**ENV, "NO_MKDOCS_2_WARNING": "1"})
    session.run("python", "-m", "pytest", "tests/site", env={**ENV, "SITE_DIR": str(HERE / "site")})


@nox.session(python=ONE)
def demo(session: nox.Session) -> None:
    """The openai SDK, the anthropic SDK and a plain httpx2 client against a faulty gateway."""
    session.install("-q", "-e", ".[all]", *_group("sdks"), env=ENV)
    session.run("anyint-resilience", "demo", *session.posargs)


@nox.session(python=ONE)
def observe(session: nox.Session) -> None:
    """What an on-call sees: faults, a real Prometheus, every panel, rule and alert, traces and pictures of them.

    Needs ``prometheus`` and ``promtool``; root on Debian gets them. ``-- --write`` draws ``docs/pictures``.
    """
    session.install("-e", ".[all]", *_group("observe"), env=ENV)
    session.run("python", "tools/observe/run.py", *session.posargs, env=ENV)


@nox.session(python=ONE)
def bench(session: nox.Session) -> None:
    """``-- overhead`` (cost of a good call), ``-- telemetry``, ``-- import``, ``-- leaks``, ``-- duplicates``,
    ``-- crash`` (kill -9 at every step of a create and a wait), ``-- waits`` (10,000 of them), and under load
    ``-- brownout``, ``-- gate``, ``-- shrink``, ``-- fallback``, ``-- guards_cost`` (what the guards cost a good call).
    ``-- streams`` is what a stream costs and, with ``--leaks``, what interrupted ones leave.
    """
    scripts = {path.stem: path for path in (HERE / "benchmarks").glob("*.py") if not path.stem.startswith("_")}
    name, *args = session.posargs or ["overhead"]
    script = {**scripts, "import": HERE / "benchmarks" / "import_time.py"}.get(name)
    if script is None:
        session.error(f"no benchmark {name!r}: choose one of {', '.join(sorted(scripts))}")
    session.install("-e", ".[all]", *_group("bench"), env=ENV)
    session.run("python", str(script), *args)


@nox.session(python=ONE)
def chaos(session: nox.Session) -> None:
    """Faults on the wire at every byte and phase, 20,000 calls a client: nothing hangs, doubles, leaks, is lost.

    ``-- --brief``: 200 calls on each; ``-- --seed N``; ``-- --surfaces httpx-sync,requests-sync``; ``-- --write`` keeps
    the figures in ``hostile/results``. Linux.
    """
    session.install("-e", ".[all]", *_group("chaos"), env=ENV)
    session.run("python", "-m", "hostile.chaos", *session.posargs, env=ENV)


@nox.session(python=ONE)
def soak(session: nox.Session) -> None:
    """Half an hour of all clients, stores and kinds of processes at once: memory, sockets and threads stay flat.

    ``-- --brief``: two minutes; ``-- --write`` keeps figures and pictures in ``hostile/results``. Linux, redis-server.
    """
    session.install("-e", ".[all]", *_group("soak"), env=ENV)
    session.run("python", "-m", "hostile.soak", *session.posargs, env=ENV)


@nox.session(python=ONE)
def mutate(session: nox.Session) -> None:
    """Mutation testing of policy, guards, streams and tasks: does a test fail when a line says something else?

    ``-- policy`` plays one room, ``-- --write`` keeps the figures, ``-- --brief`` plays a few mutants of each room.
    """
    session.install("-e", ".[all]", *_group("mutate"), env=ENV)
    session.run("python", "-m", "hostile.mutate", *session.posargs, env=ENV)


@nox.session(python=ONE)
def fuzz(session: nox.Session) -> None:
    """What others write, made up by atheris for 10 minutes each: answers, hints, streams, URLs, callbacks, files, rows.

    ``-- hints stores`` feeds some of them, ``-- --brief`` each for 5 seconds; ``-- --write`` keeps the figures,
    ``-- --keep`` what was found. Linux or macOS.
    """
    session.install("-e", ".[all]", *_group("fuzz"), env=ENV)
    session.run("python", "-m", "hostile.fuzz", *session.posargs, env=ENV)
