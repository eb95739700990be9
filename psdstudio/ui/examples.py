"""The layered example scenes of the empty state: whatever projects lie in the folder."""

from __future__ import annotations

import logging
from pathlib import Path

from PySide6.QtCore import QSize, Qt

from psdstudio.core.document import Document
from psdstudio.errors import FileError
from psdstudio.io.project import EXTENSION, load_project
from psdstudio.render.compositor import Compositor
from psdstudio.ui.canvas.images import to_qimage
from psdstudio.ui.panels.empty_state import Example

_log = logging.getLogger(__name__)
_MOST = 4
_CARD = QSize(300, 220)


def load_examples(folder: Path) -> list[Example]:
    """Return at most four examples with a picture of each layer of the top level; any thread.

    A damaged file is left out and logged: the gallery is an offer, not a promise.
    """
    found: list[Example] = []
    for path in sorted(folder.glob(f"*{EXTENSION}"))[:_MOST]:
        try:
            doc = load_project(path)
        except FileError as error:
            _log.warning("example %s cannot be read: %s", path.name, error.user_message)
            continue
        found.append(_example(path, doc))
    return found


def _example(path: Path, doc: Document) -> Example:
    compositor = Compositor(threads=1)
    pictures = []
    for layer in doc.layers:
        image = to_qimage(compositor.render_layers((layer,), doc.canvas))
        pictures.append(
            image.scaled(
                _CARD, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
        )
    return Example(
        path=path, name=path.stem.replace("_", " ").replace("-", " ").capitalize(), layers=tuple(pictures)
    )
