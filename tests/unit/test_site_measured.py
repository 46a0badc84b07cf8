"""The tables of docs/benchmarks.md are what the benchmarks wrote. Must not know how anything is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

if not (Path(__file__).resolve().parents[2] / "tools" / "site" / "measured.py").exists():
    pytest.skip("the tools are not part of the wheel", allow_module_level=True)

from tools.site import measured


def test_the_page_has_what_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Every table, as its results have it."""
    assert measured.main() == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("| 20,000 | 0 |", "| 20,000 | 1 |", "not what was measured"),
        ("<!-- measured: crash -->", "<!-- measured: dash -->", "shows no crash"),
    ],
)
def test_a_number_of_the_page_s_own_is_noticed(
    old: str, new: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that was changed by hand, or left out."""
    page = tmp_path / "benchmarks.md"
    page.write_text(measured.PAGE.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    monkeypatch.setattr(measured, "PAGE", page)
    assert measured.main() == 1
    assert said in capsys.readouterr().err


def test_writing_puts_a_number_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And changes nothing else."""
    page, right = tmp_path / "benchmarks.md", measured.PAGE.read_text(encoding="utf-8")
    page.write_text(right.replace("| 20,000 | 0 |", "| 20,000 | 1 |"), encoding="utf-8")
    monkeypatch.setattr(measured, "PAGE", page)
    assert measured.main(["--write"]) == 0
    assert page.read_text(encoding="utf-8") == right
