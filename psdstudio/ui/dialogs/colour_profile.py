"""Asks for a colour space: one that every program knows, the document's own, or one from a profile file."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.errors import FileError
from psdstudio.io.colour import MAX_PROFILE_BYTES, known_profiles, profile_from_icc, profile_name
from psdstudio.io.files import checked_size, read_error
from psdstudio.ui.widgets import ChoiceBox


def read_profile(path: Path) -> ColourProfile | None:
    """Return the space of an .icc file; None for sRGB. Raises `FileError`."""
    checked_size(path, MAX_PROFILE_BYTES, "profile")
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise read_error(path, exc) from exc
    return profile_from_icc(data)


class ProfileDialog(QDialog):
    """Enter accepts. GUI thread."""

    chosen = Signal(object)
    """The `ColourProfile`, or None for sRGB."""

    def __init__(
        self, current: ColourProfile | None, parent: QWidget | None, *, title: str, verb: str, words: str
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(420)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 16)
        column.setSpacing(10)
        column.addWidget(QLabel(f"The document is in {profile_name(current)}."))
        row = QHBoxLayout()
        self.spaces = ChoiceBox()
        self.spaces.setAccessibleName("Colour space")
        for profile in dict.fromkeys((*known_profiles(), current)):
            self._add(profile)
        self.browse = QPushButton("From a file…")
        self.browse.clicked.connect(self._on_browse)
        row.addWidget(self.spaces, 1)
        row.addWidget(self.browse)
        column.addLayout(row)
        self.words = QLabel(words)
        self.words.setObjectName("hint")
        self.problem = QLabel()
        self.problem.setObjectName("problem")
        self.problem.hide()
        for label in (self.words, self.problem):
            label.setWordWrap(True)
            column.addWidget(label)
        column.addStretch(1)
        buttons = QHBoxLayout()
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.reject)
        self.done_button = QPushButton(verb)
        self.done_button.setProperty("primary", True)
        self.done_button.setDefault(True)
        self.done_button.clicked.connect(self.accept)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.done_button)
        column.addLayout(buttons)
        self.select(current)
        self.spaces.setFocus()
        self.accepted.connect(lambda: self.chosen.emit(self.profile))

    @property
    def profile(self) -> ColourProfile | None:
        """The space that is selected."""
        return self._profiles[self.spaces.currentIndex()]

    @property
    def _profiles(self) -> list[ColourProfile | None]:
        return [self.spaces.itemData(index) for index in range(self.spaces.count())]

    def select(self, profile: ColourProfile | None) -> None:
        """Select a space; one that is not in the list comes into it."""
        if profile not in self._profiles:
            self._add(profile)
        self.spaces.setCurrentIndex(self._profiles.index(profile))

    def take_file(self, path: Path) -> None:
        """Select the space of a profile file, or say why it cannot be one."""
        try:
            self.select(read_profile(path))
        except FileError as error:
            self.problem.setText(error.user_message)
            self.problem.show()
        else:
            self.problem.hide()

    def _add(self, profile: ColourProfile | None) -> None:
        self.spaces.addItem(profile_name(profile), profile)

    def _on_browse(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Colour profile", "", "Colour profiles (*.icc *.icm)")
        if name:
            self.take_file(Path(name))
