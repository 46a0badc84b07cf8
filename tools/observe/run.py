"""See it as a person does: real calls with faults, a real Prometheus, every panel, rule and alert, and traces.

Starts an emulator, OpenTelemetry's exporter and a Prometheus, drives three clients through every fault for half a
minute, then runs each query of ``observability/`` and fails naming those that show nothing. Prints tables and traces,
and draws pictures into a temporary folder, with ``--write`` into ``docs/pictures``. Everything listens on loopback, and
stops again whatever happens.

    python tools/observe/run.py [--seconds 34] [--write | --pictures DIR]
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import findings
import show
from load import KEYS, accounts, drive, hurried
from pictures import draw_panels, draw_waterfall
from programs import ROOT, Problem, check_rules, find
from queries import label_queries, of_dashboard, of_rules
from rich.console import Console
from rich.markup import escape
from server import Prometheus
from signals import metrics_endpoint
from traces import record

from anyint_resilience.emulator import Emulator

SETTLE = 2.5  # seconds for the last scrape, and for the rules to see it
LOAD_SECONDS = 34.0
PICTURES = ROOT / "docs" / "pictures"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--seconds", type=float, default=LOAD_SECONDS, help="of load (default: %(default)g)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--pictures", type=Path, metavar="DIR", help="where they go (default: a new temporary folder)")
    where.add_argument(
        "--write", dest="pictures", action="store_const", const=PICTURES, help="put them into docs/pictures"
    )
    return parser.parse_args()


def observe(console: Console, programs: dict[str, str], wish: argparse.Namespace) -> list[str]:
    """Run everything; return what is wrong, one line each."""
    with (
        Emulator(keys=KEYS.values()) as emulator,
        metrics_endpoint() as (meters, port),
        Prometheus.running(programs["prometheus"], port) as prometheus,
    ):
        console.print(f"emulator {emulator.url}, metrics http://127.0.0.1:{port}/metrics, Prometheus {prometheus.url}")
        known = accounts(emulator.url, meter_provider=meters, spans="off")
        began = time.time()
        with hurried(emulator.clock.advance):
            done = drive(emulator.url, known, wish.seconds, lambda name: console.print(f"load: {name}"))
        traces = record(emulator.url)
        time.sleep(SETTLE)
        rules = prometheus.rules()
        ended = done.phases[-1][2] + 1
        shown = findings.run(prometheus, of_dashboard(ended - began), began, ended)
        alarmed = findings.run(prometheus, of_rules(rules), began, ended)
        wrong = [f"the emulator itself failed: {error!r}" for error in emulator.internal_errors]
        wrong += _empty_labels(prometheus) + _ill(rules)
    wrong += [
        f"{it.query.kind} {it.query.title}: {it.problem}: {it.query.expr}" for it in shown + alarmed if it.problem
    ]
    show.load(console, done)
    show.findings(console, "dashboard.json", shown)
    show.findings(console, "rules.yml, alerts.yml", alarmed)
    show.alerts(console, rules)
    for trace in traces:
        show.waterfall(console, trace)
    folder: Path = wish.pictures or Path(tempfile.mkdtemp(prefix="anyint-observe-"))
    folder.mkdir(parents=True, exist_ok=True)
    draw_panels(shown, done.phases, folder / "panels.png")
    draw_waterfall(traces, folder / "waterfall.png")
    console.print(f"\ndrawn: {folder / 'panels.png'}, {folder / 'waterfall.png'}", soft_wrap=True)
    return wrong


def _empty_labels(prometheus: Prometheus) -> list[str]:
    """Say which variables of the dashboard have nothing to choose from."""
    return [
        f"variable {name}: no values of {label}"
        for name, metric, label in label_queries()
        if not prometheus.ask(f"label/{label}/values", **{"match[]": metric})
    ]


def _ill(rules: list[dict[str, Any]]) -> list[str]:
    """Say which rules Prometheus could not evaluate, and which words of an alert it could not fill in."""
    wrong = [
        f"rule {rule['name']}: {rule.get('lastError', rule['health'])}" for rule in rules if rule["health"] != "ok"
    ]
    for rule in rules:
        for held in rule.get("alerts", ()):
            wrong += [f"alert {rule['name']}: {text}" for text in held["annotations"].values() if "<error" in text]
    return wrong


def main() -> int:
    """Run, print what is wrong, return how the process should exit."""
    logging.getLogger("anyint_resilience").addHandler(logging.NullHandler())  # the load is meant to go wrong
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that Prometheus is stopped then too
    wish, console = options(), show.console()
    began = time.monotonic()
    try:
        programs = find()
        console.print(check_rules(programs["promtool"]))
        wrong = observe(console, programs, wish)
    except Problem as problem:
        wrong = [str(problem)]
    for line in wrong:
        console.print(f"[bold red]✘[/] {escape(line)}")
    if not wrong:
        console.print(
            f"[bold green]✔[/] every panel, rule and alert shows something, in {time.monotonic() - began:.0f} s"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
