"""The fuzzer's end of the limited process: starts it, asks it to open files, and says what became of it."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TIME_LIMIT_S = 10.0
MEMORY_LIMIT_BYTES = 1 << 30
_STARTING_S = 120.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of a file: "opened", "refused", or "failed" with the reason in `what`."""

    outcome: str
    what: str


class Opener:
    """Owner of one process at a time, which opens file after file and is replaced when it fails.

    `folder` is the only one that it may write to.
    """

    def __init__(self, folder: Path) -> None:
        """Start no process yet."""
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[bytes] | None = None

    def open(self, kind: str, path: Path) -> Opened:
        """Open a file of a kind in `tests.fuzz.inputs`."""
        starts = self._process is None
        process = self._running()
        beside = [entry.name for entry in path.parent.iterdir()]
        request = {"kind": kind, "path": str(path), "may_leave": ["copy.psdstudio", *beside]}
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(TIME_LIMIT_S + (_STARTING_S if starts else 0)):
                self.close()
                return Opened("failed", f"no answer within {TIME_LIMIT_S:.0f} s")
        line = process.stdout.readline()
        if not line:
            code, said = process.wait(), self._said()
            self.close()
            return Opened("failed", f"the process ended with {code}: {said}")
        reply = json.loads(line)
        peak = _peak_bytes(process.pid)
        if peak > MEMORY_LIMIT_BYTES:
            self.close()
            return Opened("failed", f"{peak / 2**20:.0f} MB of memory")
        if reply["outcome"] == "failed":
            self.close()
        return Opened(reply["outcome"], reply["what"])

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout, self._errors):
                if stream is not None:
                    stream.close()
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
            environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONFAULTHANDLER": "1",
                           "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.child", str(self._folder), str(MEMORY_LIMIT_BYTES)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, cwd=self._folder,
                env=environment,
            )  # fmt: skip
        return self._process

    def _said(self) -> str:
        assert self._errors is not None
        self._errors.seek(0)
        return self._errors.read()[-3000:].decode("utf-8", "replace")


def _peak_bytes(pid: int) -> int:
    """The most memory a process ever held; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
