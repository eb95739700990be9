"""Takes the README's pictures from the real window, the shipped weights and the real worker process.

Use: `python packaging/build_pictures.py docs` (offscreen; `QT_SCALE_FACTOR` for other scales). Writes empty.png (the
empty window), result.png (a scene just generated, one layer kept) and running.png (while it is painted).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from psdstudio import app
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.parts import object_groups
from psdstudio.settings import Folders, Settings, SettingsFile
from psdstudio.ui import theme

SENTENCE = "a swan and a flamingo on calm water at sunset"
SIZE = (1440, 900)


def pump(until: Callable[[], bool], timeout_s: float) -> None:
    """Run the event loop until a condition holds."""
    end = time.monotonic() + timeout_s
    while not until():
        QApplication.processEvents()
        time.sleep(0.005)
        if time.monotonic() > end:
            raise TimeoutError("the window did not get there in time")


def settle(seconds: float) -> None:
    """Let timers and threads come to rest."""
    end = time.monotonic() + seconds
    pump(lambda: time.monotonic() > end, seconds + 1)


def main() -> int:
    """Grab the three states into the folder named on the command line."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["PSDSTUDIO_HOME"] = home
        application = QApplication(sys.argv[:1])
        theme.apply(application)
        folders = Folders.of_user()
        window = app.build_window(SettingsFile(folders.settings_file, Settings()), folders, None)
        window.resize(*SIZE)
        window.show()
        settle(3)
        window.grab().save(str(out / "empty.png"))
        window.generation.set_text(SENTENCE)
        pump(lambda: not window.generation.is_reading, 20)
        settle(1)
        done: list[object] = []
        previews: list[object] = []
        window.generation.preview.connect(lambda *_: previews.append(True))
        window.generation.accepted.connect(lambda *_: done.append(True))
        window.prompt.button.click()
        pump(lambda: bool(previews) or bool(done), 60)
        settle(1)
        window.grab().save(str(out / "running.png"))
        pump(lambda: bool(done), 120)
        session = window.bridge.session
        swan = next(g for g in object_groups(session.document) if g.props.name == "swan")
        session.apply(SetKeep(ids=(swan.id,), keep=True))
        session.select((swan.id,))
        settle(1.5)
        window.grab().save(str(out / "result.png"))
        session.mark_saved()
        window.close()
        settle(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
