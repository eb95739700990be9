"""What an empty document shows: a headline above the working prompt, layered examples below it, ways to open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QFont, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from psdstudio.core.geometry import Size
from psdstudio.ui import theme
from psdstudio.ui.widgets import icon_button

_CARD_MAX, _CARD_MIN, _CARD_GAP = 164, 108, 12
_CAPTION = 40
_SIDE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A layered scene to begin with: its file, its name, its layers as pictures back to front."""

    path: Path
    name: str
    layers: tuple[QImage, ...]


class ExampleCard(QAbstractButton):
    """Layers of a scene as a stack of cards that fans out under the pointer. GUI thread."""

    def __init__(self, example: Example, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.example = example
        self.set_width(_CARD_MAX)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(f"Open the example “{example.name}”, {len(example.layers)} layers")
        self.setAccessibleName(f"Example {example.name}")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def set_width(self, width: int) -> None:
        """Be this wide, with a picture of 3 : 2 over the name."""
        self.setFixedSize(width, round(width * 0.66) + _CAPTION)

    def enterEvent(self, event: QEnterEvent) -> None:
        self.update()
        super().enterEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        is_warm = self.underMouse() or self.hasFocus()
        painter.setPen(
            QPen(QColor(theme.ACCENT_TEXT if self.hasFocus() else "#4c4c4c"), 2 if self.hasFocus() else 1)
        )
        painter.setBrush(QColor(theme.PANEL_HIGH if is_warm else theme.PANEL))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 8, 8)
        layers = self.example.layers
        spread = 7.0 if is_warm else 0.0
        for place, image in enumerate(layers):
            self._paint_layer(painter, image, spread * (place - (len(layers) - 1) / 2))
        painter.setPen(QColor(theme.TEXT))
        words = QRectF(8, self.height() - _CAPTION + 8, self.width() - 16, _CAPTION - 12)
        text = painter.fontMetrics().elidedText(
            self.example.name, Qt.TextElideMode.ElideRight, int(words.width())
        )
        painter.drawText(words, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()

    def _paint_layer(self, painter: QPainter, image: QImage, shift: float) -> None:
        area = QRectF(14, 12, self.width() - 28, self.height() - _CAPTION - 8)
        scale = min(area.width() / image.width(), area.height() / image.height()) * (0.84 if shift else 1.0)
        size = QPointF(image.width() * scale, image.height() * scale)
        target = QRectF(
            area.center().x() - size.x() / 2, area.center().y() - size.y() / 2, size.x(), size.y()
        )
        target.translate(shift, -shift)
        painter.drawImage(target, image)
        if shift:
            painter.setPen(QPen(QColor(255, 255, 255, 60), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(target)


class EmptyState(QWidget):
    """Lies over the canvas while the document has no layers; the prompt bar stands in its middle. GUI thread."""

    size_asked = Signal()
    open_asked = Signal()
    models_asked = Signal()
    example_asked = Signal(object)
    """The path of an example."""
    resized = Signal()
    """Something came or went: the parts need their places again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.headline = QLabel("What do you want to see?")
        font = QFont(self.headline.font())
        font.setPixelSize(22)
        self.headline.setFont(font)
        self.headline.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.claim = QLabel("Every thing you name becomes a layer of its own, with its own shadow.")
        self.claim.setObjectName("dim")
        self.claim.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.top = QWidget(self)
        top = QVBoxLayout(self.top)
        top.setContentsMargins(0, 0, 0, 14)
        top.setSpacing(6)
        top.addWidget(self.headline)
        top.addWidget(self.claim)
        self.bottom = QWidget(self)
        bottom = QVBoxLayout(self.bottom)
        bottom.setContentsMargins(0, 14, 0, 0)
        bottom.setSpacing(16)
        self._links = QHBoxLayout()
        self._links.setSpacing(8)
        self.size_button = icon_button("Canvas", "sliders")
        self.size_button.clicked.connect(self.size_asked)
        self.open_button = icon_button("Open a project or picture", "open")
        self.open_button.clicked.connect(self.open_asked)
        self._links.addStretch(1)
        self._links.addWidget(self.size_button)
        self._links.addWidget(self.open_button)
        self._links.addStretch(1)
        bottom.addLayout(self._links)
        bottom.addWidget(self._engine_row())
        self._gallery = QHBoxLayout()
        self._gallery.setSpacing(_CARD_GAP)
        self.gallery_title = QLabel("Or begin with a layered scene")
        self.gallery_title.setObjectName("dim")
        self.gallery_title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.gallery_title.hide()
        bottom.addWidget(self.gallery_title)
        bottom.addLayout(self._gallery)
        self.drop_hint = QLabel("You can also drop a picture here: it becomes a layer that is always kept.")
        self.drop_hint.setObjectName("dim")
        self.drop_hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        bottom.addWidget(self.drop_hint)

    def _engine_row(self) -> QWidget:
        """What paints, and the way to another engine."""
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self.engine = QLabel()
        self.engine.setObjectName("dim")
        self.models_button = QPushButton()
        self.models_button.setProperty("quiet", True)
        self.models_button.setStyleSheet(f"QPushButton {{ color: {theme.ACCENT_TEXT}; }}")
        self.models_button.setAccessibleName("Engine and models")
        self.models_button.clicked.connect(self.models_asked)
        row.addStretch(1)
        row.addWidget(self.engine)
        row.addWidget(self.models_button)
        row.addStretch(1)
        return box

    def show_engine(self, sentence: str, button: str) -> None:
        """Say which engine is at hand; the button leads to the models."""
        self.engine.setText(sentence)
        self.models_button.setText(button)
        self.resized.emit()

    def set_canvas_size(self, size: Size) -> None:
        """Name the size of the new document."""
        self.size_button.setText(f" Canvas {size.width} × {size.height} px")
        self.size_button.setToolTip("Change the canvas size")

    def set_examples(self, examples: list[Example]) -> None:
        """Show these scenes; none hides the gallery."""
        while (item := self._gallery.takeAt(0)) is not None:
            if (card := item.widget()) is not None:
                card.deleteLater()
        self.gallery_title.setVisible(bool(examples))
        if examples:
            self._add_cards(examples)
        self.resized.emit()

    def _add_cards(self, examples: list[Example]) -> None:
        self._gallery.addStretch(1)
        for example in examples:
            card = ExampleCard(example)
            card.clicked.connect(lambda _=False, path=example.path: self.example_asked.emit(path))
            self._gallery.addWidget(card)
            card.show()  # at once: a hidden card has no height yet
        self._gallery.addStretch(1)

    def room_around(self, size: QSize) -> tuple[int, int]:
        """Return the heights needed above and below the prompt bar when the area is that large."""
        cards = self.cards()
        if cards:
            room = (size.width() - 2 * _SIDE - (len(cards) - 1) * _CARD_GAP) // len(cards)
            for card in cards:
                card.set_width(min(_CARD_MAX, max(_CARD_MIN, room)))
        return self.top.sizeHint().height(), self.bottom.sizeHint().height()

    def stops(self) -> tuple[QWidget, ...]:
        """Return what Tab stops at, in order."""
        return (self.size_button, self.open_button, self.models_button, *self.cards())

    def cards(self) -> list[ExampleCard]:
        """Return the cards of the gallery."""
        items = (self._gallery.itemAt(at) for at in range(self._gallery.count()))
        widgets = (item.widget() for item in items if item is not None)
        return [widget for widget in widgets if isinstance(widget, ExampleCard)]

    def arrange(self, bar: QRectF) -> None:
        """Place headline and links around the prompt bar, which lies at `bar` (own coordinates)."""
        top = self.top.sizeHint().height()
        self.top.setGeometry(0, round(bar.top()) - top, self.width(), top)
        bottom = self.bottom.sizeHint().height()
        self.bottom.setGeometry(0, round(bar.bottom()), self.width(), bottom)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), QColor(theme.CANVAS))
        painter.end()
