"""Paid tasks: what is known of each create, so that nobody pays twice. Knows no client."""
