"""The part of the export dialog that a PSD alone has: which layers, and in what form."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QWidget

from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId, Role
from psdstudio.core.parts import children_with, object_groups
from psdstudio.core.wording import counted
from psdstudio.io.psd_options import ExportOptions, MaskStyle
from psdstudio.ui.widgets import CheckBox, ChoiceBox

_STYLES = {
    MaskStyle.KEEP: "As in the document",
    MaskStyle.BAKE: "Baked into transparency",
    MaskStyle.MAKE: "Made of transparency",
}


class PsdOptions(QWidget):
    """Check boxes and a choice in two columns. GUI thread."""

    changed = Signal()

    def __init__(self, doc: Document, selected: frozenset[LayerId], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._selected = selected
        self.compatible = CheckBox("Most compatible")
        self.compatible.setToolTip(
            "No fill opacity, no opacity of groups and no clipping: the same picture by means that GIMP, Krita and"
            " others read too"
        )
        self.only = CheckBox(f"Only the {counted(len(selected), 'selected layer')}")
        self.only.setToolTip("With all that is inside, and the groups around")
        self.only.setEnabled(bool(selected))
        if not selected:
            self.only.setText("Only the selected layers")
        self.live = CheckBox("Shadows as live effects")
        self.live.setToolTip(
            "A drop shadow of Photoshop in place of every painted shadow: it can be changed there, but only comes near"
        )
        self.live.setEnabled(any(children_with(group, Role.SHADOW) for group in object_groups(doc)))
        self.masks = ChoiceBox()
        for style, words in _STYLES.items():
            self.masks.addItem(words, style)
        self.masks.setAccessibleName("Masks")
        self.masks.setToolTip("How masks and soft edges are written")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(18)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.compatible, 0, 0)
        grid.addWidget(self.live, 1, 0)
        grid.addWidget(self.only, 0, 1)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(QLabel("Masks"))
        row.addWidget(self.masks, 1)
        grid.addLayout(row, 1, 1)
        for box in (self.compatible, self.only, self.live):
            box.toggled.connect(self.changed)
        self.masks.currentIndexChanged.connect(self.changed)

    def options(self) -> ExportOptions:
        """Return what is chosen here; the rest as it is by default."""
        return ExportOptions(
            only=self._selected if self.only.isChecked() else None,
            masks=self.masks.currentData(),
            compatible=self.compatible.isChecked(),
            live_shadows=self.live.isChecked(),
        )
