"""What AnyInt says, as data: hosts, routes, codes, task states, stream ends.

Knows nothing of what to do about it (that is ``policy``) and nothing of any HTTP client.
"""
