"""Rules for every test: offscreen Qt, one compute thread, no network, no leaks, no stray warnings.

The environment is set before anything imports Qt, torch or tokenizers: they read it once, at import.
"""

from __future__ import annotations

import os
import signal

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_SCALE_FACTOR", "1")
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.leaks import LeakWatch, LogWatch, SharedMemoryLedger

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs with Ctrl+C ignored, and every program that a test starts would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: a busy machine is not a failing test. Derandomised in CI, so that a red run can be repeated.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("PSDSTUDIO_TEST_PROFILE") or ("ci" if os.environ.get("CI") else "local"))


@pytest.fixture(scope="session")
def _shared_memory_ledger() -> Iterator[SharedMemoryLedger]:
    """Knows every shared memory block that this process creates."""
    ledger = SharedMemoryLedger()
    with ledger.recording():
        yield ledger


@pytest.fixture(autouse=True)
def _nothing_is_left_running(_shared_memory_ledger: SharedMemoryLedger) -> Iterator[None]:
    """Fail a test that leaves a thread, a child process or a block of shared memory behind."""
    watch = LeakWatch.start(_shared_memory_ledger)
    yield
    if leaks := watch.leaks(grace_s=3.0):
        pytest.fail("left behind by this test: " + "; ".join(leaks), pytrace=False)


@pytest.fixture(autouse=True)
def _no_unexpected_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that logs a warning or an error, unless it says that it provokes or checks them.

    It says so with ``@pytest.mark.expects_logs`` or by asking for ``caplog``.
    """
    expected = request.node.get_closest_marker("expects_logs") or "caplog" in request.fixturenames
    with LogWatch() as watch:
        yield
    if watch.lines and not expected:
        pytest.fail("unexpected log records:\n" + "\n".join(watch.lines), pytrace=False)


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    """Fusion looks the same on every system; pytest-qt hands these to QApplication."""
    return ["psdstudio-tests", "-style", "Fusion"]
