"""What each family answers when nothing goes wrong: a handler per row of the route table.

Must not know faults or sockets. Someone adding a route adds its handler to its family's ``HANDLERS``.
"""

from __future__ import annotations

from typing import Final

from . import anthropic_messages, chat, dashscope, extended, gemini, kling, objects, responses, seedance, suno, videos
from .call import Call, Handler, Handlers, Mint, ObjectStore

__all__ = ["HANDLERS", "Call", "Handler", "Mint", "ObjectStore"]

HANDLERS: Final[Handlers] = {
    **chat.HANDLERS,
    **responses.HANDLERS,
    **extended.HANDLERS,
    **objects.HANDLERS,
    **videos.HANDLERS,
    **anthropic_messages.HANDLERS,
    **gemini.HANDLERS,
    **dashscope.HANDLERS,
    **kling.HANDLERS,
    **suno.HANDLERS,
    **seedance.HANDLERS,
}
"""Route name (``POST /openai/v1/videos``) -> handler."""
