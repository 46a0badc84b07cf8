"""Which tests are asked about which room: pure and fast ones. Must not know a mutant.

No sockets, no Redis, no sub-processes: a mutant that nobody sees costs the sum of them all.
"""

from __future__ import annotations

__all__ = ["ROOMS", "TESTS"]

TESTS = {
    "policy": """
        mutants_policy_* backoff contract_corners decision_tables echoes fallback_rules hints named nearest polling
        properties reading reading_corners reading_hostile reading_tasks requests rules answers creates engine repeating
        spent_window waiting updates telemetry_large
    """,
    "guards": """
        mutants_guards_* breaker budget fleet fleet_joined fleet_ledger fleet_outages fleet_permits fleet_said
        fleet_trouble gate guards_regressions guards_regressions_shared guards_settings shared_guards turns twins_python
        view admission admission_fallbacks engine
    """,
    "streams": """
        mutants_streams_* following following_times resuming resuming_left resuming_raised stream_cuts stream_frames
        stream_long stream_marks stream_regressions stream_watcher
    """,
    "tasks": """
        mutants_tasks_* answers callbacks creates entries fleet_ledger handle ledger marks timetable updates
        waiting interrupts router repeats ledger_garbled ledger_reviewed
        ledger_interleaved ledger_random
    """,
}
ROOMS = tuple(TESTS)
