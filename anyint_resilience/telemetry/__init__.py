"""Spans, metrics, logs and events of the calls we make. Must not know any client, nor change what becomes of a call."""
