"""Where state shared between calls lives. Knows nothing of what the state means."""

from __future__ import annotations

from .protocol import Step, Store, StoreError

__all__ = ["Step", "Store", "StoreError"]
