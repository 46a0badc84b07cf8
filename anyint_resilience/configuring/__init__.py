"""Configuration from a file and the environment: what may be set, by which name, and what came from where.

Must not know any client, nor open what it names: it gives the arguments of a ``Resilience``, and every problem at once.
"""

from __future__ import annotations

from .loading import Loaded, load, problems_in
from .settings import SETTINGS, Setting

__all__ = ["SETTINGS", "Loaded", "Setting", "load", "problems_in"]
