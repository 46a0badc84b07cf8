"""``nox -s mutate``: the score of each room, and what survived. Must not know how a mutant is played.

``-- policy`` plays one room, ``-- policy --module rules`` one module, ``-- --write`` keeps the figures, and
``-- --brief`` plays a few mutants of each room, chosen by ``--seed``. Ends with 1 where less than 90 % of a room's
mutants were killed (of so few: 75 %). A survivor that ``survivors/*.toml`` does not explain is listed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from hostile.mutate.report import ENOUGH, Score, told, written
from hostile.mutate.rooms import ROOMS
from hostile.mutate.running import Order, played

BRIEF = 40
ENOUGH_OF_FEW = 75.0  # of 40 that are as likely to be killed as 9 in 10, one time in a thousand fewer are


def main() -> int:
    """Play the rooms asked for."""
    args = _arguments()
    scores: list[Score] = []
    modules: list[Score] = []
    for room in args.rooms or ROOMS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="anyint-mutate-") as folder:
            order = Order(
                room=room,
                copy=Path(args.keep or folder) / room,
                jobs=args.jobs,
                cap=args.cap,
                only=args.module,
                sample=BRIEF if args.brief else args.sample,
                seed=args.seed,
            )
            fates = played(order, say=_say)
        whole = not (args.module or args.brief or args.sample)
        score, parts = told(room, fates, time.monotonic() - began, whole=whole, say=_say)
        scores.append(score)
        modules.extend(parts)
        if args.write and whole:
            written(" ".join(["nox -s mutate --", *sys.argv[1:]]), scores, modules, args.seed)
    enough = ENOUGH_OF_FEW if args.brief else ENOUGH
    poor = [score.name for score in scores if score.percent < enough]
    unexplained = sum(score.unexplained for score in scores)
    _say(f"{unexplained} unexplained; less than {enough:.0f} % killed in: {', '.join(poor) or 'no room'}")
    return 1 if poor else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hostile.mutate", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"one of {', '.join(ROOMS)}; all without any")
    parser.add_argument("--module", help="only this module of the room, or these with commas between")
    parser.add_argument("--jobs", type=int, default=1, help="how many mutants run at once")
    parser.add_argument("--cap", type=float, help="seconds of tests that a mutant is shown at most: a first look")
    parser.add_argument("--sample", type=int, help="so many mutants of each room")
    parser.add_argument("--brief", action="store_true", help=f"{BRIEF} mutants of each room")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--keep", help="a folder that keeps the mutated copies")
    parser.add_argument("--write", action="store_true", help="keep the figures in hostile/results/mutation.json")
    args = parser.parse_args()
    unknown = sorted(set(args.rooms) - set(ROOMS))
    if unknown:
        parser.error(f"no room {unknown[0]!r}: choose one of {', '.join(ROOMS)}")
    return args


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
