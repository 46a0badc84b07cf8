"""Plays the canary's cases on a client, with ears on everything that is emitted of them.

Must not know any case, nor what is planted.
"""

from __future__ import annotations

from typing import Any

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator
from tests.conformance import playing
from tests.conformance.canary import Ears, listening, mark, planted
from tests.conformance.plants import KEY, Case
from tests.conformance.scenario import Ask
from tests.conformance.surfaces import Caller, Surface, Waits, calling

__all__ = ["configured", "leaks_of", "made", "opened", "shown"]


def configured(ears: Ears, **settings: Any) -> Resilience:
    """Return a configuration that is listened to, whose waits take no time."""
    listeners = [*ears.settings["listeners"], *settings.pop("listeners", ())]
    given = {"api_key": KEY, "runtime": Waits().runtime(), **ears.settings, "listeners": listeners, **settings}
    return Resilience(**{name: it for name, it in given.items() if it != ""})


def opened(surface: Surface, anyint: Resilience, emu: Emulator, **options: Any) -> Any:
    own = {"verify": playing.NO_TLS} if surface.is_httpx and "inner" not in options else {}
    return calling(surface, anyint, base_url=emu.url, **own, **options)


def made(ears: Ears, caller: Caller, ask: Ask, chunks: int | None = None) -> BaseException | None:
    """Make a call, take down what the application gets to see of it, and return what was raised."""
    options = {name: it for name in ("json", "data", "files", "content") if (it := getattr(ask, name)) is not None}
    options |= {"headers": dict(ask.headers), "follow_redirects": ask.redirects}
    try:
        if ask.streamed:
            answer, _, broken = caller.stream(ask.method, ask.path, chunks=chunks, **options)
        else:
            answer, broken = caller.request(ask.method, ask.path, **options), None
    except (Exception, KeyboardInterrupt) as error:
        ears.error(error)
        return error
    ears.report(answer)
    ears.error(broken)
    return broken


def shown(ears: Ears, caller: Caller, anyint: Resilience) -> None:
    """Take down what our objects in a client show of themselves."""
    client = caller.client
    ours = [getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()]
    ours += [*getattr(client, "adapters", {}).values(), *getattr(client, "_middlewares", ())]
    held = [getattr(it, "surface", it) for it in ours if it is not None]
    ears.hear("client", *ours, *held, *(list(it.plans) for it in held))
    ears.configuration(anyint)


def leaks_of(case: Case, surface: Surface, emu: Emulator) -> list[str]:
    """Play a case, see that it went as planned, and return what leaked."""
    emu.script(*case.faults)
    login = emu.url.replace("//", f"//user:{mark('login')}@")
    with listening() as ears:
        anyint = configured(ears, base_url=emu.url, **{name: make() for name, make in case.anyint.items()})
        with opened(surface, anyint, emu) as caller:
            for ask in case.asks:
                made(ears, caller, ask.but(path=ask.path.replace("{login}", login)), case.chunks)
            shown(ears, caller, anyint)
        ends = ears.outcomes()
        assert len(ends) == len(case.ends)
        assert all(end in wanted.split("|") for end, wanted in zip(ends, case.ends, strict=True)), ends
        assert all(planted(seen.headers) and planted(seen.query + str(seen.body)) for seen in emu.seen)
        return ears.leaks()
