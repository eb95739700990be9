"""The limited process that opens what may be hostile: one line of JSON in, one line out, until the input ends.

It is never used again after it died, hung or grew; `tests.fuzz.opening` holds the other end.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import TypedDict

from psdstudio.errors import StudioError
from tests.fuzz.inputs import INPUTS

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATH_EVENTS = {
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
}
_NEVER = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "socket.bind",
          "ctypes.dlopen", "pickle.find_class", "urllib.Request"}  # fmt: skip


class Request(TypedDict):
    """What is asked: to open the file at `path`; names in `may_leave` may lie beside it afterwards."""

    kind: str
    path: str
    may_leave: list[str]


class Watch:
    """Writes down what the process does outside of one folder."""

    def __init__(self, folder: Path) -> None:
        """Listen from now on, for good."""
        self.folder = os.path.realpath(folder)
        self.seen: list[str] = []
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else False
            if (writes or (isinstance(flags, int) and flags & _WRITES)) and not self._is_inside(path):
                self.seen.append(f"open {path!r} {mode!r}")
        elif event in _PATH_EVENTS:
            if not all(
                self._is_inside(each) for each in arguments if isinstance(each, str | bytes | os.PathLike)
            ):
                self.seen.append(f"{event} {arguments!r}")
        elif event in _NEVER:
            self.seen.append(f"{event} {arguments!r}")

    def _is_inside(self, path: object) -> bool:
        if isinstance(path, int):  # a descriptor: it was opened under a name before
            return True
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        real = os.path.realpath(os.fsdecode(path))
        return real == self.folder or real.startswith(self.folder + os.sep)


def limit_memory(limit_bytes: int) -> None:
    """Let this process have no more than that much address space, where the system can see to it."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(request: Request, watch: Watch) -> dict[str, str]:
    """Open one file. "opened" and "refused" are as it should be; "failed" is an error that no user should see."""
    path = Path(request["path"])
    before = path.read_bytes()
    watch.seen.clear()
    try:
        outcome, what = "opened", INPUTS[request["kind"]].open(path)
    except StudioError as error:
        outcome, what = "refused", type(error).__name__
        if not (error.user_message and error.hint):
            outcome, what = "failed", f"a refusal without words: {error!r}"
    except BaseException:  # noqa: BLE001  # whatever it is, it is what we are looking for
        outcome, what = "failed", traceback.format_exc(limit=-6)
    if watch.seen:
        outcome, what = "failed", f"reached outside: {watch.seen}"
    elif path.read_bytes() != before:
        outcome, what = "failed", "the input was written to"
    # What a library written in C makes is told by no hook.
    elif left := {entry.name for entry in path.parent.iterdir()} - {path.name, *request["may_leave"]}:
        outcome, what = "failed", f"left behind: {sorted(left)}"
    return {"outcome": outcome, "what": what}


def main() -> None:
    """Serve until the input ends. Arguments: the only folder that may be written to, and the memory in bytes."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not be taken for a reply
    limit_memory(int(sys.argv[2]))
    watch = Watch(Path(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), watch)), file=replies, flush=True)


if __name__ == "__main__":
    main()
