"""Faults on the wire at every byte and phase, and what must hold all the same. Run it: ``python -m hostile.chaos``."""
