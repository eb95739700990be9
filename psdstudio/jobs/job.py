"""Jobs and their states. A job is a value; only the runner's thread replaces it by its next state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import NewType

from psdstudio.gen.request import GenerationRequest

JobId = NewType("JobId", int)


class JobState(Enum):
    """Where a job is; see `_MOVES` for what may follow what."""

    QUEUED = "queued"
    LOADING = "loading"
    RUNNING = "running"
    CANCELLING = "cancelling"
    UNSAVED = "unsaved"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.LOADING, JobState.FAILED, JobState.CANCELLED}),
    JobState.LOADING: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {JobState.CANCELLING, JobState.UNSAVED, JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.CANCELLING: frozenset({JobState.CANCELLED}),
    # A finished result that could not be written to disk yet.
    JobState.UNSAVED: frozenset({JobState.DONE}),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One request on its way."""

    id: JobId
    request: GenerationRequest
    state: JobState = JobState.QUEUED

    def moved(self, to: JobState) -> Job:
        """Return the job in its next state; a move that is not allowed is a programming error (ValueError)."""
        if to not in _MOVES[self.state]:
            raise ValueError(f"job {self.id} cannot go from {self.state.value} to {to.value}")
        return replace(self, state=to)
