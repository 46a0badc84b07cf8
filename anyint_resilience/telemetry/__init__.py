"""Spans, metrics, logs and events of the calls we make. Must not know any client, nor change what becomes of a call."""

from .safety import name_of_key

__all__ = ["name_of_key"]
