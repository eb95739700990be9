"""The watchers of conftest.py see what they are there for; a broken watcher would pass everything."""

from __future__ import annotations

import logging
import multiprocessing
import subprocess
import sys
import threading
import time
from multiprocessing import shared_memory

import pytest

from tests.leaks import LeakWatch, LogWatch, SharedMemoryLedger


def _wait_for(event: threading.Event) -> None:
    event.wait(30)


def test_a_running_thread_is_a_leak_until_it_ends() -> None:
    watch = LeakWatch.start(SharedMemoryLedger())
    stop = threading.Event()
    thread = threading.Thread(target=_wait_for, args=(stop,), name="forgotten")
    thread.start()
    assert watch.leaks(grace_s=0.0) == ["thread 'forgotten'"]
    stop.set()
    thread.join()
    assert watch.leaks(grace_s=0.0) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other children are only listed in /proc")
def test_a_running_child_process_is_a_leak_until_it_ends() -> None:
    watch = LeakWatch.start(SharedMemoryLedger())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert any(f"child process {child.pid}" in line for line in watch.leaks(grace_s=0.0))
        child.communicate(b"\n")
    assert watch.leaks(grace_s=0.0) == []


def test_a_forgotten_worker_is_named_and_ended() -> None:
    watch = LeakWatch.start(SharedMemoryLedger())
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,), daemon=True)
    child.start()
    assert [f"child process {child.pid}" in line for line in watch.leaks(grace_s=0.0)] == [True]
    assert not child.is_alive()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="blocks are files on Linux alone")
def test_shared_memory_is_a_leak_until_it_is_unlinked() -> None:
    ledger = SharedMemoryLedger()
    with ledger.recording():
        watch = LeakWatch.start(ledger)
        block = shared_memory.SharedMemory(create=True, size=16)
        assert watch.leaks(grace_s=0.0) == [f"shared memory {block.name!r}"]
        block.close()
        block.unlink()
        assert watch.leaks(grace_s=0.0) == []


@pytest.mark.expects_logs
def test_warnings_are_collected_and_information_is_not() -> None:
    with LogWatch() as watch:
        logging.getLogger("psdstudio.somewhere").info("fine")
        logging.getLogger("psdstudio.somewhere").warning("odd %d", 7)
    assert watch.lines == ["WARNING psdstudio.somewhere: odd 7"]


@pytest.mark.expects_logs
def test_our_logger_is_watched_when_it_does_not_propagate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("psdstudio"), "propagate", False)
    with LogWatch() as watch:
        logging.getLogger("psdstudio.somewhere").error("broken")
    assert watch.lines == ["ERROR psdstudio.somewhere: broken"]


@pytest.mark.expects_logs
def test_a_leaking_test_fails(pytester: pytest.Pytester) -> None:
    """The fixtures themselves, in a pytest of their own."""
    pytester.makeconftest(
        "from tests.conftest import _no_unexpected_logs, _nothing_is_left_running, _shared_memory_ledger"
    )
    pytester.makepyfile(
        """
        import logging, threading, pytest

        stop = threading.Event()

        def test_thread():
            threading.Thread(target=stop.wait, args=(20,), name="forgotten").start()

        def test_log():
            stop.set()
            logging.getLogger("x").warning("odd")

        @pytest.mark.expects_logs
        def test_marked():
            logging.getLogger("x").warning("odd")

        def test_caplog(caplog):
            logging.getLogger("x").warning("odd")

        def test_clean():
            pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--import-mode=importlib")
    result.assert_outcomes(passed=5, errors=2)
    result.stdout.fnmatch_lines(["*left behind by this test: thread 'forgotten'*", "*WARNING x: odd*"])
