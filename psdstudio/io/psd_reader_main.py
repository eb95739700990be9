"""The process that reads foreign PSD files: one request after the other, within limits, answers without pickle."""

from __future__ import annotations

import importlib
import json
import logging
import signal
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from psdstudio.io.process_limits import begin_peak, limit_process, peak_bytes

MAX_REQUEST_BYTES = 1 << 20
READY = b"ready"
"""Comes before the first answer: from then on the time of the file counts, not that of starting."""
IMPORT, DESCRIBE = "import", "describe"


def main(connection: Connection) -> None:
    """Serve until the program closes the pipe. Runs in the spawned process.

    A request is JSON: `do` ("import" or "describe"), `path`, `blobs` (a file to write pixels to), `limits`,
    `memory_bytes`, `cpu_s`. The answer is JSON with `error` ([kind, message, hint]), `failed` (a traceback) or
    neither, and the measured `seconds` and `peak_bytes`; where it went well, the value follows as a second message.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is the program's to handle
    logging.disable(
        logging.CRITICAL
    )  # psd_tools logs what it finds odd in a file; the report says what matters
    warnings.simplefilter("ignore")
    is_first = True
    try:
        while True:
            request = json.loads(connection.recv_bytes(MAX_REQUEST_BYTES))
            if is_first:
                _import_readers()
                connection.send_bytes(READY)
                is_first = False
            limit_process(memory_bytes=request["memory_bytes"], cpu_s=request["cpu_s"])
            answer, value = _answered(request)
            connection.send_bytes(json.dumps(answer).encode())
            if value is not None:
                connection.send_bytes(value)
    except (EOFError, OSError):
        pass  # the program is gone; there is nobody left to tell
    finally:
        connection.close()


def _import_readers() -> None:
    """Load what reads files. Here and not above: the program imports this module too, without psd_tools."""
    for name in ("document_wire", "layer_info", "psd_import"):
        importlib.import_module(f"psdstudio.io.{name}")


def _answered(request: dict[str, Any]) -> tuple[dict[str, Any], bytes | None]:
    begin_peak()
    began = time.perf_counter()
    answer: dict[str, Any] = {}
    value = None
    try:
        value = _done(request)
    except MemoryError:
        answer["no_memory"] = True
    except OSError as exc:  # reading has sentences of its own: this is the temporary file
        reason = exc.strerror or type(exc).__name__
        answer["error"] = [
            "FileError",
            f"“{Path(request['path']).name}” was not opened because its pixels found no room ({reason}).",
            f"Nothing was changed. Make room in the folder for temporary files ({Path(request['blobs']).parent}).",
        ]
    except Exception as exc:  # noqa: BLE001  # sent to the program, which tells them apart
        message, hint = getattr(exc, "user_message", None), getattr(exc, "hint", "")
        if message is None:
            answer["failed"] = traceback.format_exc()
        else:
            answer["error"] = [type(exc).__name__, message, hint]
    answer["seconds"] = time.perf_counter() - began
    answer["peak_bytes"] = peak_bytes()
    return answer, value


def _done(request: dict[str, Any]) -> bytes:
    """Return the message that holds what was asked for."""
    from psdstudio.io.document_wire import write_value
    from psdstudio.io.layer_info import psd_info
    from psdstudio.io.psd_import import import_psd
    from psdstudio.io.psd_read import PsdLimits, open_psd
    from psdstudio.io.psd_report import OpenedPsd

    path, limits = Path(request["path"]), PsdLimits(**request["limits"])
    with open(request["blobs"], "wb", buffering=0) as blobs:
        if request["do"] == DESCRIBE:
            return write_value(psd_info(open_psd(path, limits)), blobs)
        document, report = import_psd(path, limits)
        return write_value(OpenedPsd(document=document, report=report), blobs)
