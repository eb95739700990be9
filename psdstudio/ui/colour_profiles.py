"""Assign and convert: what the window does with the document's colour space. Pixels are converted on a thread."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from psdstudio.core.colour_commands import AssignProfile, ConvertProfile
from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import StudioError
from psdstudio.io.colour import converted_pixels
from psdstudio.ui.bridge import Background, SessionBridge
from psdstudio.ui.dialogs.colour_profile import ProfileDialog


class ColourProfiles(QObject):
    """Each is one step of undo. GUI thread."""

    def __init__(self, bridge: SessionBridge, background: Background, window: QWidget) -> None:
        super().__init__(window)
        self._bridge, self._background, self._window = bridge, background, window

    def ask_assign(self) -> ProfileDialog:
        """Ask what the numbers of the pixels mean."""
        words = "The numbers of all pixels stay as they are, so the picture looks different."
        return self._ask("Assign profile", "Assign", words, self.assign)

    def ask_convert(self) -> ProfileDialog:
        """Ask for the space to convert to."""
        words = (
            "The picture keeps its look; the numbers of all pixels change. Colours that the other space lacks are"
            " clipped, and layers whose mode is not Normal may look a little different."
        )
        return self._ask("Convert to profile", "Convert", words, self.convert)

    def assign(self, profile: ColourProfile | None) -> None:
        """Assign a space."""
        self._bridge.apply(AssignProfile(profile=profile))

    def convert(self, profile: ColourProfile | None) -> None:
        """Convert to a space; an edit while that goes on ends it with a sentence."""
        doc = self._bridge.session.document
        if doc.profile == profile:
            return
        source = {layer.id: layer.pixels for layer in doc.walk() if isinstance(layer, PixelLayer)}
        self._background.submit(
            lambda: converted_pixels(doc, profile),
            lambda pixels: self._take(doc, profile, source, pixels),
            self._on_failed,
        )

    def _take(
        self,
        doc: Document,
        profile: ColourProfile | None,
        source: dict[LayerId, TileGrid],
        pixels: dict[LayerId, TileGrid],
    ) -> None:
        now = self._bridge.session.document
        if now.profile == doc.profile and now.size == doc.size:
            self._bridge.apply(ConvertProfile(profile=profile, source=source, pixels=pixels))

    def _ask(self, title: str, verb: str, words: str, done: object) -> ProfileDialog:
        dialog = ProfileDialog(
            self._bridge.session.document.profile, self._window, title=title, verb=verb, words=words
        )
        dialog.chosen.connect(done)
        dialog.open()
        return dialog

    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, StudioError):
            raise error
        self._bridge.failed.emit(error)
