"""The canary under an SDK: secrets and prompts planted through it, and nothing of ours says one of them.

Must not know any SDK. What an SDK itself logs, warns, prints and raises is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator, Fault
from tests.alone import ALONE
from tests.conformance.canary import MARK, Ears, listening, mark, planted
from tests.conformance.plants import CARRIED, HOSTILE, KEY, LOST, PROMPT, QUERY, SENTENCE, SIGNED, refuses
from tests.conformance.surfaces import Caller, Surface, Waits, calling
from tests.sdks.kit import listed

__all__ = ["PROMPT", "SIGNED", "SYSTEM", "TOOL", "Canary", "under"]

SYSTEM = f"{mark('system')} be kind"
TOOL = mark("tool")
ENOUGH = 40


class Canary:
    """A gateway that takes every key, our layer in a client, and ears on all that is said of its calls.

    ``key``, ``headers`` and ``query`` are for the SDK to send with each request.
    """

    key = KEY
    headers = CARRIED
    query: ClassVar = dict(parse_qsl(QUERY[1:]))

    def __init__(self, emu: Emulator, caller: Caller, anyint: Resilience, ears: Ears) -> None:
        self.emu = emu
        self.caller = caller
        self.anyint = anyint
        self.ears = ears

    def hear(self, call: Callable[[], Any], *faults: Fault, sent: bool = True) -> Any:
        """Have the SDK make a call that meets these faults, and take down what of ours can be got from its end."""
        self.emu.script(*faults)
        try:
            answer = call()
        except Exception as error:
            self.ears.error(error)
            return None
        finally:
            assert bool(self.emu.seen) is sent
            assert all(KEY in str(seen.headers) and CARRIED["Cookie"] in str(seen.headers) for seen in self.emu.seen)
            assert all(planted(seen.body) for seen in self.emu.seen)
            self.emu.reset()
        self.ears.report(answer)
        return answer

    def sings(
        self,
        chat: Callable[[], Any],
        stream: Callable[[], Any],
        *,
        family: str | None = None,
        good: Fault | None = None,
        events: Fault | None = None,
        create: Callable[[], Any] | None = None,
    ) -> None:
        """Have a chat, a stream and a paid create go well, heal, fail and get lost.

        ``good`` and ``events`` are answers where the gateway's own would not do; ``stream`` reads to the end.
        """
        well, sent = good or Fault(headers=HOSTILE), events or Fault(headers=HOSTILE)
        assert self.hear(chat, well) is not None
        assert self.hear(chat, refuses(503, family, SENTENCE), refuses(503, family, KEY), well) is not None
        assert self.hear(stream, sent) is not None
        assert self.hear(stream, refuses(503, family, SENTENCE), sent) is not None
        for status, code in ((400, KEY), (400, SENTENCE), (401, SENTENCE), (429, KEY), (503, None)):
            for call in (chat, stream):
                assert self.hear(call, *[refuses(status, family, code)] * ENOUGH) is None
        self.hear(chat, *[LOST] * ENOUGH)
        self.hear(stream, Fault(cut_stream_after=5, headers=HOSTILE))
        if create is not None:
            self.hear(create, refuses(400, family, SENTENCE))
            self.hear(create, *[LOST] * ENOUGH)
            self.hear(create, sent=not self.anyint.ledger.unknown())

    def listed(self, stream: Any) -> Any:
        """Read a stream to its end."""
        return listed(self.caller, stream)

    def check(self) -> None:
        """See that much was said, and no mark in any of it."""
        client: Any = self.caller.client
        ours = [getattr(client, "_transport", None), *getattr(client, "_middlewares", ())]
        self.ears.hear("client", *(it for it in ours if it is not None))
        self.ears.configuration(self.anyint)
        assert {"span", "log", "event", "report"} <= {channel for channel, text in self.ears.texts() if text}
        assert {"success", "failed", "error"} <= set(self.ears.outcomes())
        assert [leak for leak in self.ears.leaks() if not leak.startswith(("warning: ", "output: "))] == []


@contextmanager
def under(surface: Surface) -> Iterator[Canary]:
    """Open a client that an SDK is put on, with no key of its own: the SDK's is the caller's; check it in the end."""
    assert MARK in KEY
    with Emulator() as emu, listening() as ears:
        anyint = Resilience(base_url=emu.url, runtime=Waits().runtime(), guards=ALONE, **ears.settings)
        with calling(surface, anyint) as caller:
            canary = Canary(emu, caller, anyint, ears)
            yield canary
        canary.check()
    assert emu.internal_errors == []
