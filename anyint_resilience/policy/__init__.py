"""What to do about what was seen: pure functions over frozen values.

Knows no client, no clock, no random source and no I/O.
"""
