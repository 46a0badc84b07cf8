"""Mutation testing of the rooms that decide: does a test fail when a line says something else? ``nox -s mutate``."""
