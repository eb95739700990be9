"""Starting child processes of our own: one at a time, without the program's main file, with one thread for numpy.

The engine's worker and the reader of foreign files are started this way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from threading import Lock

_spawn_lock = Lock()
_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def start_process(process: SpawnProcess) -> None:
    """Start a spawned process; raises OSError when the system cannot."""
    with _spawn_lock, _main_module_left_out(), _child_environment():
        process.start()


@contextmanager
def _main_module_left_out() -> Iterator[None]:
    """Keep spawn from running the program's main file again in the child.

    The console script imports the window at its top, which would load Qt into the worker. `spawn` takes the
    file from `__main__.__spec__` and `__main__.__file__` (multiprocessing.spawn.get_preparation_data).
    """
    module = sys.modules["__main__"]
    spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None)
    module.__spec__, module.__file__ = None, None
    try:
        yield
    finally:
        module.__spec__ = spec
        if file is None:
            del module.__file__
        else:
            module.__file__ = file


@contextmanager
def _child_environment() -> Iterator[None]:
    """Let numpy's OpenBLAS use one thread in the child, which imports numpy before its own first line runs.

    The text encoder's matrices are small: on a busy machine their threads waited for one another for twelve seconds
    where one thread needs a twentieth of one. torch does not use OpenBLAS. In the reader of files every thread would
    take address space, which is limited there.
    """
    before = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_BLAS_THREADS]
        else:
            os.environ[_BLAS_THREADS] = before
