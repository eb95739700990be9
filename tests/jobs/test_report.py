"""What is left of an exception that an engine raised: its own sentence where it has one."""

from __future__ import annotations

import pytest

from psdstudio.errors import EngineOutOfMemory
from psdstudio.jobs.report import ErrorKind, report_of


def test_an_engine_that_says_how_much_memory_is_short_is_quoted() -> None:
    report = report_of(EngineOutOfMemory("These layers need 9.1 GB; 7.0 GB are free.", "Hide some layers."))
    assert report.kind is ErrorKind.OUT_OF_MEMORY
    assert report.message == "These layers need 9.1 GB; 7.0 GB are free."
    assert report.hint == "Hide some layers."


@pytest.mark.parametrize("raised", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate")])
def test_memory_that_ran_out_without_a_sentence_gets_one(raised: Exception) -> None:
    report = report_of(raised)
    assert report.kind is ErrorKind.OUT_OF_MEMORY
    assert "too little memory" in report.message
    assert report.hint
