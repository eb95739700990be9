"""Runs the whole application with a file and leaves when it is open: `python -m tests.app_driver FILE [SIGNAL]`.

With a signal a layer is added first, and then the signal is what ends it.

In a process of its own, as in life: the application's event loop ends for good when it is left.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from psdstudio import app
from psdstudio.core.structure_commands import AddLayer
from psdstudio.ui.main_window import MainWindow


def main() -> int:
    """Open the file, print size, title and the number of recent files, and quit."""

    def leave_when_open() -> None:
        window = next((w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow)), None)
        if window is None or window.files.path is None:
            QTimer.singleShot(20, leave_when_open)
            return
        if len(sys.argv) > 2:
            window.bridge.session.apply(AddLayer(name="drawn since"))
            os.kill(os.getpid(), getattr(signal, sys.argv[2]))
            return
        size = window.bridge.session.document.size
        sys.stdout.write(json.dumps([*size, window.windowTitle(), len(window.recent_menu.actions())]))
        sys.stdout.flush()
        window.close()
        QApplication.quit()

    application = QApplication(sys.argv[:1])
    QTimer.singleShot(20, application, leave_when_open)
    return app.main(sys.argv[1:2])


if __name__ == "__main__":
    sys.exit(main())
