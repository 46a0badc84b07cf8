"""State that calls share so that a fleet of them is calm: retry budget, gate, circuit breaker; as pure steps.

Must not know any client, route or decision: what happened comes in as a word, with the time.
"""
