"""Log files: the job in every line, a folder that cannot be written, nothing left behind."""

from __future__ import annotations

import faulthandler
import logging
from pathlib import Path

import pytest

from psdstudio import logs


@pytest.fixture(autouse=True)
def _faulthandler_as_before() -> object:
    was = faulthandler.is_enabled()
    yield
    if was:
        faulthandler.enable()


def test_records_name_their_job(tmp_path: Path) -> None:
    session = logs.start_logging(tmp_path / "new", process="app", to_stderr=False)
    logger = logging.getLogger("psdstudio.something")
    logger.info("before")
    with logs.job_context("7"):
        logger.info("during %s", "it")
    session.close()
    lines = (tmp_path / "new" / "app.log").read_text(encoding="utf-8").splitlines()
    assert [line.split("INFO ")[1] for line in lines] == [
        "psdstudio.something [-] before",
        "psdstudio.something [7] during it",
    ]
    assert (tmp_path / "new" / "app.crash.log").exists()


def test_closing_takes_the_handlers_out(tmp_path: Path) -> None:
    before = list(logging.getLogger(logs.ROOT).handlers)
    session = logs.start_logging(tmp_path, process="app")
    assert logging.getLogger(logs.ROOT).handlers != before
    session.close()
    assert logging.getLogger(logs.ROOT).handlers == before


def test_a_folder_that_cannot_be_made_is_said_and_no_reason_not_to_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    session = logs.start_logging(tmp_path / "file" / "logs", process="app", to_stderr=False)
    assert session.path is None
    assert "no log file" in caplog.text
    session.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_full_disk_costs_log_lines_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.log").symlink_to("/dev/full")
    session = logs.start_logging(tmp_path, process="app", to_stderr=False)
    logging.getLogger("psdstudio.something").info("a line with nowhere to go")
    session.close()
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
