"""Events as records of the standard library's logging. Must not know a call, nor add a handler to anything.

Logger ``anyint_resilience``; nothing is set up at import. A record's ``extra`` has the event's fields as
``anyint_event``, ``anyint_route`` and so on, and ``trace_id`` and ``span_id`` where there is a span.
"""

from __future__ import annotations

import logging

from .events import Event
from .words import SCOPE

__all__ = ["LOG", "write"]

LOG = logging.getLogger(SCOPE)


def write(event: Event) -> None:
    """Log an event, if anybody wants its level."""
    if not LOG.isEnabledFor(event.level):
        return
    extra: dict[str, object] = {
        "anyint_event": event.name,
        "anyint_route": event.route,
        "anyint_family": None if event.family is None else event.family.value,
        "anyint_operation": event.operation.value,
        "anyint_attempt": event.attempt,
        "trace_id": event.trace_id,
        "span_id": event.span_id,
    }
    for name, value in event.details.items():
        plain = name.removeprefix("anyint.").replace(".", "_")
        extra[f"anyint_{plain}"] = value
    said = event.details.get("anyint.reason", "")
    words = (event.route, event.name, f": {said}" if said else "")
    try:
        LOG.log(event.level, "%s: %s%s", *words, extra=extra)
    except KeyError as error:  # logging lets nobody overwrite what the application's own record factory has put there
        if "overwrite" not in str(error):
            raise  # a handler's own, and those before it have the record already
        del extra["trace_id"], extra["span_id"]
        LOG.log(event.level, "%s: %s%s", *words, extra=extra)
