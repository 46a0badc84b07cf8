"""Soak: every surface, every store and every way to make a process, for half an hour; must not know how a guard works.

``python -m hostile.soak --brief`` (two minutes), ``nox -s soak -- --write`` (half an hour, and its figures are kept).
"""
