"""Bounds on the memory and processor time of the running process. Standard library alone.

Where the system has `setrlimit` and minds it (Linux), address space is bounded: an allocation beyond it is a
`MemoryError`. On macOS and Windows a thread looks at the memory in use and ends the process.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from threading import Thread

EXIT_MEMORY = 88
"""Exit code of a process that the watching thread has ended."""
_LOOK_EVERY_S = 0.05
_allowed_bytes = 0
_watching: list[Thread] = []


def limit_process(*, memory_bytes: int, cpu_s: int) -> None:
    """Bound the memory of this process, and the processor time that it may use from now on.

    May be called again for the next piece of work, with larger or smaller bounds.
    """
    if sys.platform == "win32":
        _watch(memory_bytes)
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + cpu_s + 1
    _lower(resource.RLIMIT_CPU, seconds)
    _lower(resource.RLIMIT_CORE, 0)
    if sys.platform == "darwin":
        _watch(memory_bytes)
    else:
        _lower(resource.RLIMIT_AS, memory_bytes)


def begin_peak() -> None:
    """Forget the peak of before, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_bytes() -> int:
    """Return the most memory held since `begin_peak` (Linux), else since the process began; 0 where unknown."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _resident_bytes()


def _lower(which: int, soft: int) -> None:
    """Set the soft limit, within the hard one that is there."""
    if sys.platform == "win32":
        raise AssertionError("no limits here")
    import resource

    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(which, (soft, hard))


def _watch(memory_bytes: int) -> None:
    global _allowed_bytes  # read by the one watching thread
    _allowed_bytes = memory_bytes
    if not _watching:
        _watching.append(Thread(target=_look, name="memory-watch", daemon=True))
        _watching[0].start()


def _look() -> None:
    while True:
        if _resident_bytes() > _allowed_bytes:
            os._exit(EXIT_MEMORY)
        time.sleep(_LOOK_EVERY_S)


def _resident_bytes() -> int:
    """Return the memory of this process: in use now (Windows), or at most so far; 0 where the system does not tell."""
    if sys.platform == "win32":
        return _windows_working_set()
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _windows_working_set() -> int:
    """Ask `GetProcessMemoryInfo` (Windows API, psapi.h)."""
    if sys.platform != "win32":
        raise AssertionError("not Windows")
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = [
            ("cb", wintypes.DWORD), ("PageFaultCount", wintypes.DWORD), ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t), ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPagedPoolUsage", ctypes.c_size_t), ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
            ("QuotaNonPagedPoolUsage", ctypes.c_size_t), ("PagefileUsage", ctypes.c_size_t),
            ("PeakPagefileUsage", ctypes.c_size_t),
        ]  # fmt: skip

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    kernel.K32GetProcessMemoryInfo.argtypes = [wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD]
    if not kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return 0
    return int(counters.WorkingSetSize)
