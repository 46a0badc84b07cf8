"""Each family's words for the phases of a task: one row per row of the contract's task table.

Must not know routes, answers or outcomes. A phase without a word is answered as ``turns.INSTEAD`` says.
"""

from __future__ import annotations

from typing import Final

from ..turns import Phase

__all__ = ["STATES"]

_OPENAI: Final[dict[Phase, str | int]] = {
    Phase.PENDING: "queued",
    Phase.RUNNING: "in_progress",
    Phase.STRANGE: "polishing",
    Phase.SUCCESS: "completed",
    Phase.FAILED: "failed",
}


def _suno(failed: str) -> dict[Phase, str | int]:
    return {
        Phase.PENDING: "PENDING",
        Phase.STRANGE: "POLISHING",
        Phase.SUCCESS: "SUCCESS",
        Phase.UNDELIVERED: "CALLBACK_EXCEPTION",
        Phase.FAILED: failed,
    }


STATES: Final[dict[str, dict[Phase, str | int]]] = {
    "suno_song": {
        **_suno("GENERATE_AUDIO_FAILED"),
        Phase.RUNNING: "TEXT_SUCCESS",
        Phase.NEARLY: "FIRST_SUCCESS",
    },
    "suno_lyrics": _suno("GENERATE_LYRICS_FAILED"),
    "suno_wav": _suno("GENERATE_WAV_FAILED"),
    "suno_mp4": _suno("GENERATE_MP4_FAILED"),
    "suno_stems": _suno("GENERATE_AUDIO_FAILED"),
    "suno_cover": {Phase.PENDING: 0, Phase.RUNNING: 2, Phase.STRANGE: 7, Phase.SUCCESS: 1, Phase.FAILED: 3},
    "dashscope": {
        Phase.PENDING: "PENDING",
        Phase.RUNNING: "RUNNING",
        Phase.STRANGE: "POLISHING",
        Phase.SUCCESS: "SUCCEEDED",
        Phase.PARTIAL: "SUCCEEDED",
        Phase.FAILED: "FAILED",
        Phase.CANCELLED: "CANCELED",
    },
    "kling": {
        Phase.PENDING: "submitted",
        Phase.RUNNING: "processing",
        Phase.STRANGE: "polishing",
        Phase.SUCCESS: "succeed",
        Phase.FAILED: "failed",
    },
    "openai_video": _OPENAI,
    "openai_response": {**_OPENAI, Phase.PARTIAL: "incomplete", Phase.CANCELLED: "cancelled"},
    "openai_batch": {
        **_OPENAI,
        Phase.PENDING: "validating",
        Phase.NEARLY: "finalizing",
        Phase.CANCELLING: "cancelling",
        Phase.PARTIAL: "completed",
        Phase.CANCELLED: "cancelled",
        Phase.EXPIRED: "expired",
    },
    "seedance_anyint": {
        Phase.PENDING: "queued",
        Phase.RUNNING: "running",
        Phase.STRANGE: "polishing",
        Phase.SUCCESS: "completed",
        Phase.FAILED: "failed",
        Phase.CANCELLED: "cancelled",
        Phase.EXPIRED: "expired",
    },
}
"""Task kind -> phase -> word. DashScope's ``UNKNOWN`` is no word but how it answers for a task that is gone."""
