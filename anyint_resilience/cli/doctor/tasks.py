"""Step 6: an asynchronous task. Dry by default: its query route is asked, and what a create would send is told.

Must not know any client. Only with ``--allow-paid`` is anything made, once, and then followed to its end.
"""

from __future__ import annotations

import json
from typing import Final

from ...contract.matching import route_table
from ...contract.tasks import TASKS
from ...exceptions import OutcomeUnknown, TaskError, TaskTimeout
from ...policy.envelopes import read_envelope
from ..showing import again
from ..terminal import tell
from .answers import seconds, trouble
from .context import Context
from .finding import Finding, failed, ok, warning
from .listing import model_like, reached

__all__ = ["check_task"]

_PATH: Final = "/openai/v1/videos"
_NOBODY: Final = "video_doctor00000000000000000000"
_MODEL: Final = "kling-3.0"
_KEPT: Final = 5.0  # seconds that are kept to say how it ended
_LOOK: Final = "Look for it in AnyInt's usage records."


def check_task(ctx: Context) -> Finding:
    """Look at the create and the query of a video."""
    reached(ctx)
    return _paid(ctx) if ctx.options.allow_paid else _dry(ctx)


def _body(ctx: Context) -> dict[str, object]:
    return {"model": model_like(ctx, "video") or _MODEL, "prompt": "A plain grey wall."}


def _dry(ctx: Context) -> Finding:
    reply = ctx.send("GET", f"{_PATH}/{_NOBODY}")
    known = read_envelope(reply.document, None) is not None
    if not (reply.error is None and reply.status in (200, 400, 404) and known):
        wrong = trouble(ctx, reply)
        return wrong or failed(
            f"HTTP {reply.status} for a video that does not exist", "Look at what answers under this address."
        )
    row = route_table(seedance=False).match("POST", _PATH)
    states = TASKS[row.tasks or ""]
    body = ctx.mask.foreign(json.dumps(_body(ctx)), 120)
    return ok(
        f"nothing was made: a create would be POST {_PATH} {body}, its id at {'.'.join(row.id_path)}, asked for at GET "
        f"{row.query} until {'.'.join(states.states[0])} says {' or '.join(sorted(states.success))}; that route "
        f"answers (HTTP {reply.status} for an id that does not exist)",
        "--allow-paid makes one video and waits for it.",
    )


def _paid(ctx: Context) -> Finding:
    sender = ctx.sender
    reply = ctx.send("POST", _PATH, _body(ctx), seconds=120.0)
    if isinstance(reply.error, OutcomeUnknown):
        return failed(f"nobody knows whether the video was made: {type(reply.error).__name__}", reply.error.args[0])
    wrong = trouble(ctx, reply)
    handle = None if reply.report is None else reply.report.task
    if handle is None and reply.cut and reply.status < 300:
        return failed(f"HTTP {reply.status}, but {wrong.found if wrong else 'cut'}: a video may have been made", _LOOK)
    if handle is None and wrong is not None:
        return wrong
    if handle is None:
        return failed(f"HTTP {reply.status}, but it names no task", _LOOK)
    how = f"It goes on, and is paid for; {again(handle)}"
    tell(f"one video was made. {how}")  # at once: whoever interrupts must not lose it
    patience = max(1.0, ctx.left(float("inf")) - _KEPT)
    try:
        done = sender.wait(handle, patience)
    except TaskTimeout as error:
        return warning(f"made, and not done within {seconds(patience)}: {ctx.mask.foreign(error, 120)}", how)
    except TaskError as error:
        return failed(f"made, but {ctx.mask.foreign(error, 160)}", f"See docs/tasks.md; {how}")
    except Exception as error:
        return failed(f"made, but asking for it ended in {type(error).__name__}", how)
    return ok(
        f"a video was made and paid for: {done.state} after {seconds(done.elapsed)}, {len(done.results)} result(s)"
    )
