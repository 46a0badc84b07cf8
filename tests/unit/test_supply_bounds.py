"""The tools that look at dependencies and built files: what they find, and that they do find it."""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

if not (Path(__file__).resolve().parents[2] / "tools" / "supply").exists():
    pytest.skip("the tools are not part of the wheel", allow_module_level=True)

from tools import check_wheel
from tools.supply import bounds, holes, licences, record

ROOT = Path(__file__).resolve().parents[2]
PROJECT = bounds.tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def project(*dependencies: str, **extras: list[str]) -> dict[str, Any]:
    table = {"dependencies": [*dependencies], "optional-dependencies": extras}
    return {"project": table, "build-system": {"requires": ["hatchling>=1.26.3"]}}


def test_every_dependency_has_a_lower_bound_and_no_other() -> None:
    """Those of pyproject.toml, on any Python, are ``name>=version``, the same wherever one is named twice."""
    found = bounds.bounds(PROJECT, everywhere=True)
    assert {"backoff", "httpx", "httpx2", "tomli", "hatchling"} <= set(found)
    assert found["h11"].extras == ["emulator"]


@pytest.mark.parametrize("line", ["httpx", "httpx==0.27", "httpx>=0.27,<1", "httpx~=0.27"])
def test_a_pin_is_no_bound(line: str) -> None:
    """What has no lower bound, or an upper one, is refused."""
    with pytest.raises(ValueError, match="a lower bound, and nothing else"):
        bounds.bounds(project(line))


def test_two_bounds_of_one_dependency_are_refused() -> None:
    """One of two bounds would never be tested."""
    with pytest.raises(ValueError, match="another lower bound"):
        bounds.bounds(project("h11>=0.16", cli=["h11>=0.14"]))


def test_a_bound_that_nobody_can_install_is_said() -> None:
    """A release that was taken back, or that never was, is no bound; one that is written otherwise is the same."""
    wanted = bounds.bounds(project("requests>=2.32", "rich>=13", "trio>=0.27"))
    there = bounds.lowest("requests==2.32.2 # via x\nrich==13.0.0\nhatchling==1.26.3\n")
    assert bounds.untrue(wanted, there) == [
        "requests>=2.32: the lowest that can be installed is 2.32.2; raise the bound",
        "trio>=0.27: the lowest that can be installed is none; raise the bound",
    ]


def test_what_is_not_at_its_bound_was_not_tested() -> None:
    """A version above the bound, or none, is not the lowest."""
    wanted = bounds.bounds(project("rich>=13", "shtab>=1.9.3")).values()
    here = {"rich": "13.0.0", "shtab": "1.10.0"}
    assert [it.partition(":")[0] for it in record.not_lowest(wanted, here)] == ["hatchling", "shtab"]


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("MIT", False), ("Apache Software License; MIT License", False), ("Apache-2.0 OR BSD-2-Clause", False),
        ("Mozilla Public License 2.0 (MPL 2.0)", False), ("(MIT AND PSF-2.0)", False), ("", True), ("GPL-3.0", True),
        ("MIT OR GPL-3.0", True), ("Dual License", True), ("MIT License; Proprietary", True),
    ],
)  # fmt: skip
def test_a_licence_nobody_has_looked_at_is_a_problem(said: str, wrong: bool) -> None:
    """What is allowed has a name in the list, all of it."""
    assert bool(licences.problems({"it": said})) == wrong


def answered(**rows: Any) -> str:
    return json.dumps({"dependencies": [{"name": name, **row} for name, row in rows.items()]})


KNOWS = answered(requests={"version": "2.19.1", "vulns": [{"id": "CVE-2018-18074"}]})
KNOWS_NOTHING = answered(requests={"version": "2.19.1", "vulns": []})
SKIPS = answered(requests={"skip_reason": "Dependency not found"})


@pytest.mark.parametrize(
    ("canary", "rest", "word", "code"),
    [
        (SKIPS, "", "COULD NOT ASK (requests: Dependency not found)", 0),
        (KNOWS_NOTHING, "", "COULD NOT ASK (it knows of no hole where there is one)", 0),
        ("", "", "COULD NOT ASK (all of them)", 0),
        ("no JSON", "", "COULD NOT ASK (all of them)", 0),
        (KNOWS, answered(h11={"version": "0.14.0", "vulns": [{"id": "X"}]}), "h11==0.14.0 has X", 1),
        (KNOWS, answered(h11={"version": "0.16.0", "vulns": []}), "1 distributions, 0 have known holes", 0),
        (KNOWS, answered(h11={"skip_reason": "not there"}), "COULD NOT ASK about h11: not there", 0),
    ],
    ids=["skips", "knows nothing", "silent", "garbled", "a hole", "none", "one is unknown"],
)
def test_no_answer_is_not_a_good_answer(
    canary: str, rest: str, word: str, code: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    """A service that does not know a hole that everybody knows could not be asked, and that is what is printed."""

    def ask(_: str, pins: Mapping[str, str]) -> Any:
        return holes.read(canary if pins == dict([holes.CANARY]) else rest)

    monkeypatch.setattr(holes, "ask", ask)
    (tmp_path / "pins").write_text("h11==0.14.0\n")
    assert holes.main([str(tmp_path / "pins")]) == code
    assert word in capsys.readouterr().out


@pytest.fixture
def wheel(tmp_path: Path) -> Callable[..., Path]:
    """What makes a wheel of the tree's files, less some and with others."""

    def make(*more: str, less: str = "") -> Path:
        path, info = tmp_path / "anyint_resilience-1-py3-none-any.whl", "anyint_resilience-1.dist-info/"
        names = {*check_wheel.expected(), *(info + it for it in check_wheel.INFO), *more} - {less}
        with zipfile.ZipFile(path, "w") as archive:
            for name in sorted(names):
                archive.writestr(name, "\n".join(check_wheel.ENTRIES) if name.endswith("entry_points.txt") else "")
        return path

    return make


def test_a_wheel_of_the_trees_files_is_right(wheel: Callable[..., Path]) -> None:
    """What the packages have, and the five files of its own."""
    assert check_wheel.problems(wheel()) == []


@pytest.mark.parametrize(
    "more", ["tests/x.py", "adapters/__init__.py", "anyint_resilience/left.py", "anyint_resilience/a.pyc", "x.pth",
             "anyint_resilience-1.dist-info/direct_url.json"]
)  # fmt: skip
def test_a_file_too_many_in_a_wheel_is_found(wheel: Callable[..., Path], more: str) -> None:
    """Whatever the tree's packages do not have."""
    assert any(more.removeprefix("anyint_resilience-1.dist-info/") in it for it in check_wheel.problems(wheel(more)))


@pytest.mark.parametrize("less", ["anyint_resilience/py.typed", "anyint_resilience/guards/lua/gate.lua",
                                  "anyint_resilience-1.dist-info/licenses/LICENSE"])  # fmt: skip
def test_a_file_too_few_in_a_wheel_is_found(wheel: Callable[..., Path], less: str) -> None:
    """A script, a marker, the licence."""
    assert check_wheel.problems(wheel(less=less)) != []


@pytest.mark.parametrize(
    "strange", ["notes.txt", ".env", "tests/.env", "docs/my.key", "tests/a.sqlite", "out.log", ".git/config"]
)
def test_what_does_not_belong_into_an_sdist_is_found(tmp_path: Path, strange: str) -> None:
    """A file at the top that nobody named, and whatever holds secrets or is left over, anywhere."""
    path, empty = tmp_path / "anyint_resilience-1.tar.gz", tmp_path / "empty"
    empty.write_text("")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(empty, f"anyint_resilience-1/{strange}", filter=_nobodys)
        archive.add(empty, "anyint_resilience-1/pyproject.toml", filter=_nobodys)
    found = [it for it in check_wheel.sdist_problems(path) if "missing" not in it]
    assert found == [f"{strange} does not belong into an sdist"]


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def test_what_was_tested_are_the_bounds() -> None:
    """docs/dependencies.md is of these bounds: a bound that changes wants ``nox -s lowest -- --write``."""
    if not record.FILE.exists():
        pytest.skip("the results are not part of the wheel")
    rows = {row["name"]: row for row in json.loads(record.FILE.read_text(encoding="utf-8"))["rows"]}
    found = bounds.bounds(PROJECT, everywhere=True)
    assert {name: str(it.lower) for name, it in found.items()} == {name: row["bound"] for name, row in rows.items()}
    for name, it in found.items():
        tested = rows[name]["lowest"]
        assert tested, f"{name} was never tested at its bound"
        assert {Version(version) for version in tested.values()} == {it.lower}
