"""What the window is given: built once by the application, or by a test with other parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psdstudio.core.session import Session
from psdstudio.gen.engine_words import WordsFilter
from psdstudio.gen.plan import Plan
from psdstudio.io.recovery import RecoveryStore
from psdstudio.jobs.runner import JobRunner
from psdstudio.ui.engines import Engines
from psdstudio.ui.generate.run_store import RunStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`plan` and `engine_words` are called on one background thread and on the GUI thread in turn.

    `examples` is the folder of layered example scenes; a missing one means no gallery.
    """

    session: Session
    runner: JobRunner
    store: RunStore
    recovery: RecoveryStore | None
    plan: Callable[[str], Plan]
    engine_words: WordsFilter
    engines: Engines
    examples: Path | None = None
