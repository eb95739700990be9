"""The left half of the Models dialog: which engine paints, and what is chosen about the photoreal one."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from psdstudio.gen.catalogue import ENGINES, EngineCard
from psdstudio.gen.model_files import ModelFile, ModelKind, PhotorealOptions
from psdstudio.gen.models import PHOTOREAL_KEY
from psdstudio.ui import theme
from psdstudio.ui.widgets import CheckBox, ChoiceBox

_INDENT = 21
_MAX_GB = 1024.0
SIDES = (1024, 896, 768, 640, 512)
ACCELERATION_HINT = (
    "Acceleration: LoRAs for fewer steps. Over a plain SDXL they may do well; whole Lightning checkpoints are known "
    "to spoil transparent layers."
)


class EngineRow(QWidget):
    """One engine: a radio button, its sentence, and why it cannot be chosen yet. GUI thread."""

    def __init__(self, card: EngineCard, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.card = card
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        self.button = QRadioButton(card.title)
        column.addWidget(self.button)
        self.why = QLabel()
        self.why.setStyleSheet(f"color: {theme.AMBER};")
        sentence = QLabel(card.sentence)
        sentence.setObjectName("hint")
        for label in (sentence, self.why):
            label.setWordWrap(True)
            label.setContentsMargins(_INDENT, 0, 0, 0)
            column.addWidget(label)

    def set_missing(self, sentences: tuple[str, ...]) -> None:
        """Let it be chosen only when nothing is missing; say so in place, with the sentences as a tip."""
        self.button.setEnabled(not sentences)
        self.why.setVisible(bool(sentences))
        why = sentences[0] if len(sentences) == 1 else "Models are missing, see “Your models”."
        self.why.setText(f"Not yet. {why}" if sentences else "")
        self.setToolTip("\n".join(sentences))


class PhotorealControls(QWidget):
    """What is chosen about the photoreal engine. GUI thread."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(_INDENT, 0, 0, 0)
        column.setSpacing(6)
        self.acceleration = ChoiceBox()
        self.acceleration.setAccessibleName("Acceleration")
        self.acceleration.setSizeAdjustPolicy(
            ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.acceleration.setMinimumContentsLength(10)
        self.acceleration.activated.connect(lambda _: self.changed.emit())
        hint = QLabel(ACCELERATION_HINT)
        hint.setObjectName("hint")
        hint.setWordWrap(True)
        self.memory = QDoubleSpinBox()
        self.memory.setAccessibleName("Memory to use")
        self.memory.setRange(0.0, _MAX_GB)
        self.memory.setDecimals(1)
        self.memory.setSpecialValueText("what is free")
        self.memory.setSuffix(" GB")
        self.memory.setKeyboardTracking(False)
        self.memory.setFixedHeight(26)
        self.memory.lineEdit().setTextMargins(5, 0, 5, 0)
        self.memory.setToolTip("Use no more of the device's memory than this; 0 for what is free")
        self.memory.valueChanged.connect(lambda _: self.changed.emit())
        self.side = ChoiceBox()
        self.side.setAccessibleName("Size that is painted at")
        self.side.setToolTip("Smaller is faster and takes less memory, and comes out worse")
        self.side.activated.connect(lambda _: self.changed.emit())
        form = QFormLayout()
        form.setVerticalSpacing(6)
        form.addRow("Acceleration", self.acceleration)
        form.addRow("Paint at", self.side)
        form.addRow("Memory", self.memory)
        column.addLayout(form)
        column.addWidget(hint)
        self.upscale = CheckBox("Second pass for large canvases")
        self.upscale.setToolTip(
            "Layers of canvases above the model's own size are painted once more, tile by tile"
        )
        self.wide_joint = CheckBox("Layers see one another in finer detail")
        self.wide_joint.setToolTip("Attention between layers at 64 × 64 too: slower, takes more memory")
        self.compile = CheckBox("Compile the network")
        self.compile.setToolTip("Takes minutes at first, then every run is faster")
        for box in (self.upscale, self.wide_joint, self.compile):
            box.toggled.connect(lambda _: self.changed.emit())
            column.addWidget(box)

    @property
    def options(self) -> PhotorealOptions:
        """The options as set."""
        cap = self.memory.value()
        return PhotorealOptions(
            acceleration=self.acceleration.currentData(),
            upscale=self.upscale.isChecked(),
            wide_joint=self.wide_joint.isChecked(),
            compile=self.compile.isChecked(),
            memory_cap_gb=max(1.0, cap) if cap > 0 else None,
            side_px=self.side.currentData(),
        )

    def show_options(self, options: PhotorealOptions, models: tuple[ModelFile, ...]) -> None:
        """Show these options and what the list of models has to offer, without telling anybody."""
        boxes = (self.acceleration, self.side, self.memory, self.upscale, self.wide_joint, self.compile)
        blockers = [QSignalBlocker(box) for box in boxes]
        self.acceleration.clear()
        self.acceleration.addItem("Off", None)
        titles = [model.title for model in models if model.kind is ModelKind.ACCELERATION]
        for title in titles:
            self.acceleration.addItem(title, title)
        if options.acceleration is not None and options.acceleration not in titles:
            self.acceleration.addItem(f"{options.acceleration} (not listed)", options.acceleration)
        self.acceleration.setCurrentIndex(max(0, self.acceleration.findData(options.acceleration)))
        self.side.clear()
        for side in sorted({*SIDES, options.side_px}, reverse=True):
            self.side.addItem(f"{side} × {side} px{' (as trained)' if side == SIDES[0] else ''}", side)
        self.side.setCurrentIndex(self.side.findData(options.side_px))
        self.memory.setValue(options.memory_cap_gb or 0.0)
        self.upscale.setChecked(options.upscale)
        self.wide_joint.setChecked(options.wide_joint)
        self.compile.setChecked(options.compile)
        del blockers


class EngineChoicePanel(QWidget):
    """The engines as radio buttons; the options of the photoreal one while it is chosen. GUI thread."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        heading = QLabel("Engine")
        heading.setObjectName("heading")
        column.addWidget(heading)
        self.rows = {card.key: EngineRow(card) for card in ENGINES}
        self._group = QButtonGroup(self)
        self.controls = PhotorealControls()
        for key, row in self.rows.items():
            column.addWidget(row)
            self._group.addButton(row.button)
            if key == PHOTOREAL_KEY:
                column.addWidget(self.controls)
        column.addStretch(1)
        self._group.buttonToggled.connect(lambda *_: self._on_choice())
        self.controls.changed.connect(self.changed)

    @property
    def key(self) -> str | None:
        """The key of the engine that is chosen; None as long as one of another package is."""
        return next((key for key, row in self.rows.items() if row.button.isChecked()), None)

    def show_choice(self, key: str) -> None:
        """Choose an engine without telling anybody."""
        blocker = QSignalBlocker(self._group)
        if key in self.rows:
            self.rows[key].button.setChecked(True)
        del blocker
        self.controls.setVisible(self.key == PHOTOREAL_KEY)

    def _on_choice(self) -> None:
        self.controls.setVisible(self.key == PHOTOREAL_KEY)
        self.changed.emit()
