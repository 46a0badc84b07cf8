"""How chaos.py shows what it found: tables, phase by phase, and what it comes to on the whole.

Must not know how anything is found, nor judge it.
"""

from __future__ import annotations

from typing import Any

from _report import markdown

__all__ = ["tables", "totals"]


def _span(values: list[int]) -> str:
    """Return the least and the most, or the one there is."""
    return str(values[0]) if values[0] == values[-1] else f"{values[0]}-{values[-1]}"


def _ms(values: list[float]) -> str:
    return " / ".join(f"{1000 * it:.0f}" for it in values)


def tables(rows: list[dict[str, Any]], most: int) -> str:
    """Two tables: what calls were told, and what the fleet and the server said."""
    calls = [["phase", "calls", "failed", "for the store's sake", "refused (strict)", "ms", "ms (strict)", "s in line"]]
    fleet = [["phase", "out (chat)", "out (create)", f"most of {most}", "failures said", "backs said", "s to rejoin"]]
    for it in rows:
        line = [it["name"], f"{it['calls']:,}", str(it["failed"]), str(it["for the store's sake"]), str(it["refused"])]
        calls.append([*line, _ms(it["own"]), _ms(it["own strict"]), " / ".join(f"{s:.1f}" for s in it["waited"])])
        out = [f"{out}; {here}" for out, here in (it["out"]["chat"], it["out"]["create"])]
        out = [f"{cell} ({it['dead']} of the dead)" if it["dead"] else cell for cell in out]
        flying = f"{it['flying']['chat']}; {it['flying']['create']}"
        back = " / ".join(f"{seconds:.1f}" for seconds in it["rejoined"]) or "-"
        fleet.append([it["name"], *out, flying, _span(it["failures"]), _span(it["backs"]), back])
    return f"{markdown(calls)}\n\n{markdown(fleet)}"


def totals(found: dict[str, Any]) -> str:
    """What it comes to."""
    left, victim = found["left"], found["victim"]
    lines = [
        f"{found['calls']:,} calls, {found['requests']:,} requests, {found['tasks made']:,} creates paid for",
        f"failed for the store's sake: {found['failed']}",
        f"creates made again: {found['made again']:,}; done twice: {found['done twice']}",
        f"done twice by another process, after the server had lost what it held: {found['done twice across a loss']}",
        f"permits out when all had ended: {sum(left['out'].values())}, after {left['after']:.1f} s",
        "tokens: " + ("; ".join(f"{it[0]:.3f} of {it[1]:.3f}" for it in left["tokens"]) or "none"),
        f"creates on their way when all had ended: {len(left['on their way'])}",
    ]
    if victim:
        back = "not at all" if victim["back"] is None else f"after {victim['back']:.1f} s"
        lines.append(f"permits of the process that was killed: {victim['held']}, back {back}")
    return "; ".join(lines)
