"""How ``anyint-resilience doctor`` ends: not well where nothing could be sent, with what there is after Ctrl-C.

No secret stands in what it says, whatever a client quotes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("h11")

from anyint_resilience.cli.doctor import context, running, sending, settings
from anyint_resilience.cli.doctor.context import Context
from anyint_resilience.emulator import Emulator, Fault
from tests.real.doctor_kit import Place, place_of
from tests.real.doctor_rows import CHAT


@pytest.fixture
def place(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    yield from place_of(emu, monkeypatch, tmp_path, capsys)


def test_a_client_that_is_half_installed_is_told(place: Place) -> None:
    """A client that is found and can't be imported is no client: versions says why, and nothing passes for well."""
    place.write("brokenclient.py", "import no_such_library")
    place.patch.syspath_prepend(str(place.folder))
    for module in (sending, settings):
        place.patch.setattr(module, "CLIENTS", ("brokenclient",))
    code, checks = place.found("--free")
    assert code == 1
    assert "ModuleNotFoundError: No module named 'no_such_library'" in checks["versions"]["found"]
    assert checks["models"]["found"] == "not before versions is mended"


@pytest.mark.parametrize("argv", [(), ("--only", "versions", "--only", "models"), ("--only", "models")], ids=len)
def test_where_nothing_could_be_sent_all_is_not_well(place: Place, argv: tuple[str, ...]) -> None:
    """No client can be made, for a reason that no check knows: the first that needs one fails and says it."""

    def broken(*args: Any) -> Any:
        raise ValueError("nobody thought of this")

    for name in ("_Httpx", "_Requests", "_Aiohttp"):
        place.patch.setattr(sending, name, broken)
    code, checks = place.found(*argv)
    assert (code, checks["models"]["status"]) == (1, "failed")
    assert "nobody thought of this" in checks["models"]["found"]
    assert {it["status"] for name, it in checks.items() if name in ("text", "suno")} <= {"skipped"}
    assert place.gateway.seen == []


@pytest.mark.parametrize("argv", ["--only models", "--only models --only proxies", "--json"])
@pytest.mark.parametrize("password", ["Secr3tPass#1", "Secr3tPass/1", "1#Secr3tPass", "Secr3tPass"])
def test_a_proxys_password_is_not_shown(place: Place, argv: str, password: str) -> None:
    """Neither where it breaks the proxy's URL, which a client quotes, nor where the proxy can't be reached."""
    place.set(HTTP_PROXY=f"http://user:{password}@127.0.0.1:1")
    code, out, err = place.run(*argv.split())
    assert code == 1
    assert "Secr3t" not in out + err


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_shows_what_was_found_by_then(place: Place, as_json: bool) -> None:
    """The rows before it are told; under --json that is the one document, and says how it ended."""
    real = running._within

    def interrupted(check: Any, *more: Any) -> Any:
        if check.id == "clock":
            raise KeyboardInterrupt
        return real(check, *more)

    place.patch.setattr(running, "_within", interrupted)
    code, out, err = place.run("--only", "key", "--only", "clock", *(["--json"] if as_json else []))
    assert (code, err) == (130, "anyint-resilience doctor: interrupted\n")
    if as_json:
        document = json.loads(out)
        assert [it["id"] for it in document["checks"]] == ["key"]
        assert (document["ok"], document["error"], document["exit_code"]) == (False, "interrupted", 130)
    else:
        assert [line.split()[:2] for line in out.splitlines()[:1]] == [["ok", "key"]]


def test_ctrl_c_after_the_result_is_no_second_document(place: Place) -> None:
    """Whoever interrupts the closing of what was opened has the result already."""

    def interrupted(ctx: Any) -> None:
        raise KeyboardInterrupt

    place.patch.setattr(Context, "close", interrupted)
    code, out, err = place.run("--only", "key", "--json")
    assert (code, json.loads(out)["ok"]) == (130, True)
    assert err == "anyint-resilience doctor: interrupted\n"


@pytest.mark.parametrize(("timeout", "silent"), [("60", 20.0), ("120", 40.0), ("10", 5.75)])
def test_more_time_for_the_run_is_more_time_for_each_request(place: Place, timeout: str, silent: float) -> None:
    """A model that thinks for long is waited for where --timeout says so; the advice is not to look for firewalls."""
    asked: list[float] = []
    real = context.Ask

    def noted(**more: Any) -> Any:
        asked.append(more["seconds"])
        return real(**{**more, "seconds": 0.05 if more["method"] == "POST" else more["seconds"]})

    place.patch.setattr(context, "Ask", noted)
    place.script(CHAT, Fault(stall="before_headers"))
    found = place.found("--only", "text", "--timeout", timeout)[1]["text"]
    assert asked[-1] == pytest.approx(silent, rel=0.2)
    assert "no answer came in time" in found["found"]
    assert "the model may be slow" in found["advice"]
