"""What an engine is told about one part besides its words: what is not in it, and the LoRAs that style it."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from psdstudio.core.layers import LoraUse, Part
from psdstudio.core.prompt_commands import MAX_LORA_WEIGHT, MAX_LORAS, MAX_NEGATIVE
from psdstudio.gen.model_files import ModelFile
from psdstudio.gen.verbs import Capability
from psdstudio.ui import theme
from psdstudio.ui.icons import IconColours, icon
from psdstudio.ui.widgets import ChoiceBox, ElidedLabel

_WEIGHT_PX = 58
_STEP = 0.05


class LoraRow(QWidget):
    """One LoRA: its title, its weight, and a cross that takes it away. GUI thread."""

    weighed = Signal(float)
    removed = Signal()

    def __init__(self, use: LoraUse, *, is_listed: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.title = ElidedLabel(use.title)
        self.title.setToolTip(use.title)
        row.addWidget(self.title, 1)
        if not is_listed:
            gone = QLabel("not listed")
            gone.setStyleSheet(f"color: {theme.AMBER};")
            gone.setToolTip("This LoRA is not in the list of models: a run will stop and say so")
            row.addWidget(gone)
        self.weight = QDoubleSpinBox()
        self.weight.setRange(0.0, MAX_LORA_WEIGHT)
        self.weight.setDecimals(2)
        self.weight.setSingleStep(_STEP)
        self.weight.setKeyboardTracking(False)
        self.weight.setFixedSize(_WEIGHT_PX, 26)
        self.weight.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.weight.lineEdit().setTextMargins(2, 0, 3, 0)
        self.weight.setAccessibleName(f"Weight of {use.title}")
        self.weight.setToolTip("Weight: 1 is as trained, 0 is off")
        self.weight.setValue(use.weight)
        self.weight.valueChanged.connect(self.weighed)
        row.addWidget(self.weight)
        self.cross = QToolButton()
        self.cross.setIcon(icon("close", IconColours(normal=theme.TEXT_DIM)))
        self.cross.setIconSize(QSize(12, 12))
        self.cross.setToolTip("Take this LoRA away from the layer")
        self.cross.setAccessibleName(f"Take {use.title} away")
        self.cross.clicked.connect(self.removed)
        row.addWidget(self.cross)

    def show_weight(self, weight: float) -> None:
        """Show a weight without telling anybody."""
        blocker = QSignalBlocker(self.weight)
        self.weight.setValue(weight)
        del blocker


class PartPrompts(QWidget):
    """Shows a part's negative words and LoRAs as far as the engine reads them; tells what the user asks. GUI thread."""

    negative_typed = Signal(str)
    loras_chosen = Signal(object, bool)
    """A tuple of `LoraUse`, and whether a weight was turned."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._uses: tuple[LoraUse, ...] = ()
        self._built: tuple[tuple[str, bool], ...] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self.negative_caption = _caption("Not in it")
        self.negative = QLineEdit()
        self.negative.setAccessibleName("Not in it")
        self.negative.setPlaceholderText("What must not be painted, for example: text, people")
        self.negative.setMaxLength(MAX_NEGATIVE)
        self.negative.textEdited.connect(self.negative_typed)
        self.lora_caption = _caption("LoRAs")
        self._rows = QWidget()
        rows = QVBoxLayout(self._rows)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(4)
        self.add = ChoiceBox()
        self.add.setAccessibleName("Add a LoRA")
        self.add.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.add.setMinimumContentsLength(8)
        self.add.activated.connect(self._on_added)
        self.none = QLabel("Add LoRAs to the list under Scene, Models.")
        self.none.setObjectName("hint")
        self.none.setWordWrap(True)
        for widget in (
            self.negative_caption, self.negative, self.lora_caption, self._rows, self.add, self.none,
        ):  # fmt: skip
            column.addWidget(widget)

    def rows(self) -> list[LoraRow]:
        """Return the rows of LoRAs as shown."""
        return [row for row in self._rows.findChildren(LoraRow) if not row.isHidden()]

    def show_part(
        self, part: Part | None, capabilities: frozenset[Capability], loras: tuple[ModelFile, ...]
    ) -> None:
        """Show what is said of a part; nothing for None, and nothing that the engine does not read."""
        takes_negative = part is not None and Capability.NEGATIVE_WORDS in capabilities
        takes_loras = part is not None and Capability.LORAS in capabilities
        self.setVisible(takes_negative or takes_loras)
        for widget in (self.negative_caption, self.negative):
            widget.setVisible(takes_negative)
        self.lora_caption.setVisible(takes_loras)
        if part is None:
            return
        if " ".join(self.negative.text().split()) != part.negative:
            self.negative.setText(part.negative)
        titles = [model.title for model in loras]
        self._uses = part.loras
        self._show_rows(titles if takes_loras else None)
        free = [title for title in titles if title not in {use.title for use in part.loras}]
        self.add.setVisible(takes_loras and bool(free) and len(part.loras) < MAX_LORAS)
        self.none.setVisible(takes_loras and not titles and not part.loras)
        blocker = QSignalBlocker(self.add)
        self.add.clear()
        self.add.addItem("Add a LoRA…")
        self.add.addItems(free)
        del blocker

    def _show_rows(self, titles: list[str] | None) -> None:
        wanted = () if titles is None else tuple((use.title, use.title in titles) for use in self._uses)
        self._rows.setVisible(bool(wanted))
        if wanted != self._built:
            self._built = wanted
            for old in self._rows.findChildren(LoraRow):
                old.hide()
                old.deleteLater()
            layout = self._rows.layout()
            assert layout is not None
            for place, (title, is_listed) in enumerate(wanted):
                row = LoraRow(self._uses[place], is_listed=is_listed, parent=self._rows)
                row.weighed.connect(lambda weight, title=title: self._on_weight(title, weight))
                row.removed.connect(lambda title=title: self._on_removed(title))
                layout.addWidget(row)
                row.show()
        for row, use in zip(self.rows(), self._uses, strict=False):
            row.show_weight(use.weight)

    def _on_added(self, index: int) -> None:
        if index > 0:
            self.loras_chosen.emit((*self._uses, LoraUse(title=self.add.itemText(index))), False)

    def _on_removed(self, title: str) -> None:
        self.loras_chosen.emit(tuple(use for use in self._uses if use.title != title), False)

    def _on_weight(self, title: str, weight: float) -> None:
        uses = tuple(
            replace(use, weight=round(weight, 2)) if use.title == title else use for use in self._uses
        )
        self.loras_chosen.emit(uses, True)


def _caption(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("dim")
    return label
