"""``emulator``: the stand-in gateway in the foreground.

Must not know how it works: it reads the options, starts it, and says how it is used.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

from .given import whole
from .parsing import page
from .terminal import Problem, need, print_json, say, styled

if TYPE_CHECKING:
    from ..emulator import Emulator

__all__ = ["register"]

_MOST: Final = 65_535
_LOOK: Final = 0.5  # seconds; Windows lets nobody interrupt a wait without an end
_BASES: Final = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic",
    "gemini": "/gemini",
    "dashscope": "/dashscope/v1",
    "kling": "/transtreams/kling",
    "suno": "/suno",
}
_SDKS: Final = ("openai", "anthropic", "gemini")
_ABOUT: Final = """\
Run a stand-in AnyInt gateway on this machine until Ctrl-C. It answers on every route as the gateway would, makes tasks
that take ten seconds, and goes wrong in whatever way you order: then you see what your program does about it.

It prints the variables and base URLs to paste, and forgets everything when it ends."""
_MORE: Final = """\
faults:
  A fault is a JSON object. The fields used most: status, retry_after, body,
  delay_headers and delay_body (seconds), reset, stall, truncate,
  cut_stream_after. --list-faults shows all, and what can become of a task.

  # while it runs: the next request
  curl $ANYINT_BASE_URL/__emulator__/faults -d '{"status": 503}'

  # only requests with a header of their own
  x-emulator-fault: {"delay_headers": 5}

  Also under /__emulator__/: GET seen, tasks, health; POST chaos, clock, reset;
  DELETE faults, chaos."""
_TWO: Final = """\
anyint-resilience emulator --fault '{"status": 429, "retry_after": 2}' \\
                           --fault '{"delay_headers": 5}'"""
_EXAMPLES: Final = (
    ("a gateway on a port of your choice", "anyint-resilience emulator --port 8080"),
    ("the first request is throttled, the second waits for its answer", _TWO),
    ("one key is right, every other is a 401", "anyint-resilience emulator --key right-key"),
    ("a tenth of all requests goes wrong, always the same ones", "anyint-resilience emulator --chaos 0.1 --seed 7"),
    ("in a script: one line of JSON with the URLs, once it listens", "anyint-resilience emulator --json"),
)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = page(
        commands,
        "emulator",
        summary="a stand-in AnyInt gateway on this machine, with faults to order",
        about=_ABOUT,
        usage="[options]",
        examples=_EXAMPLES,
        exits=((0, "it was ended with Ctrl-C"), (130, "so it was before it listened")),
        needs="h11: pip install 'anyint-resilience[emulator]'",
        touches="it listens on this machine only, unless --host says otherwise, and asks nobody; it costs nothing",
        more=_MORE,
    )
    where = parser.add_argument_group("where it listens")
    where.add_argument("--port", type=_port, default=0, metavar="N", help="default: any free one")
    where.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")
    what = parser.add_argument_group("what it does")
    what.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="JSON",
        help="order a fault, or a list of them; repeatable, in order",
    )
    what.add_argument(
        "--key", action="append", metavar="KEY", help="take this key only; repeatable (default: every key)"
    )
    what.add_argument(
        "--chaos", type=_share, default=0.0, metavar="P", help="share of requests, 0 to 1, that meet an everyday fault"
    )
    what.add_argument("--seed", type=_seed, default=0, metavar="N", help="of chance, so that a run can be repeated")
    parser.add_argument(
        "--list-faults", action="store_true", help="print every field of a fault and every outcome of a task, and end"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON once it listens, and nothing after")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    need("this command", ["h11"], "'anyint-resilience[emulator]'")
    from .faults import list_faults

    if options.list_faults:
        list_faults(as_json=options.json)
    else:
        _serve(options)
    return 0


def _made(options: argparse.Namespace) -> Emulator:
    from ..emulator import Chaos, Emulator
    from .faults import order

    if options.key is not None and not all(options.key):
        raise Problem("--key: an empty key is none")
    if not options.host.strip():
        raise Problem("--host: an empty one is every address of this machine; that is 0.0.0.0")
    made = Emulator(
        host=options.host,
        port=options.port,
        keys=options.key,
        seed=options.seed,
        chaos=Chaos.usual(options.chaos, seed=options.seed),
        virtual_clock=False,
    )
    for text in options.fault:
        order(made, text)
    return made


def _serve(options: argparse.Namespace) -> None:
    emulator = _made(options)
    try:
        emulator.start()
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Problem(f"cannot listen on {options.host}:{options.port}: {why}") from None
    mine = threading.current_thread() is threading.main_thread()
    # What a shell runs in the background ignores the signal, and would hand that down.
    before = signal.signal(signal.SIGINT, signal.default_int_handler) if mine else None
    try:
        _announce(_reachable(emulator.url, options.host), options)
        _forever()
    except KeyboardInterrupt:
        pass
    finally:
        emulator.stop()
        if mine:
            signal.signal(signal.SIGINT, before)


def _forever() -> None:
    never = threading.Event()
    while not never.wait(_LOOK):
        pass


def _announce(url: str, options: argparse.Namespace) -> None:
    if options.json:
        bases = {name: f"{url}{path}" for name, path in _BASES.items()}
        port = int(url.rpartition(":")[2])
        print_json(
            {"url": url, "base_urls": bases, "host": options.host, "port": port, "pid": os.getpid()}, one_line=True
        )
        return
    key = "any-key" if options.key is None else "YOUR_KEY"
    hint = "" if options.key is None else f"  # {'the one' if len(options.key) == 1 else 'one'} given with --key"
    said = f"It takes {_keys(options.key)}."
    ordered = f" Faults ordered: {len(options.fault)}." if options.fault else ""
    lines = [
        f"AnyInt emulator on {styled(url, 'bold')} (Ctrl-C ends it)",
        f"{said}{ordered}",
        "",
        styled("in the shell of your program", "dim"),
        f"  export ANYINT_BASE_URL={url} ANYINT_API_KEY={key}{hint}",
        styled("or in fish", "dim"),
        f"  set -x ANYINT_BASE_URL {url}; set -x ANYINT_API_KEY {key}{hint}",
        styled("or in PowerShell", "dim"),
        f"  $env:ANYINT_BASE_URL='{url}'; $env:ANYINT_API_KEY='{key}'{hint}",
        "",
        styled("base URLs of SDKs", "dim"),
        *(f"  {name:<10} {url}{path}" for name, path in _BASES.items() if name in _SDKS),
        "",
        styled("let the next request go wrong (all fields: emulator --list-faults)", "dim"),
        f"  curl {url}/__emulator__/faults -d '{{\"status\": 503}}'",
    ]
    say("\n".join(lines))


def _reachable(url: str, host: str) -> str:
    """Return the URL at which a program on this machine may send a key: every address is none."""
    own = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host)  # noqa: S104
    return url if own is None else f"http://{own}:{url.rpartition(':')[2]}"


def _keys(given: list[str] | None) -> str:
    if given is None:
        return "any key"
    many = "the key" if len(given) == 1 else f"the {len(given)} keys"
    return f"{many} given with --key alone; any other is a 401"


def _port(text: str) -> int:
    return whole(text, 0, _MOST, f"a port is 0 to {_MOST}")


def _seed(text: str) -> int:
    try:
        return int(text[:20])
    except ValueError:
        raise argparse.ArgumentTypeError(f"a seed is a whole number, not {text!r}") from None


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"a share is 0 to 1, not {text!r}")
    return share
