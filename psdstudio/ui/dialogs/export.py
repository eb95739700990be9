"""Export: what will be written, before; what was written, after."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId
from psdstudio.io.psd_options import PSB_SUFFIX, ExportOptions
from psdstudio.io.psd_preflight import preflight
from psdstudio.ui.dialogs.psd_options import PsdOptions
from psdstudio.ui.widgets import CheckBox


class ExportFormat(Enum):
    """The two ways out; the value is the extension."""

    PSD = "psd"
    PNG = "png"


_ENDINGS = {ExportFormat.PSD: (".psd", ".psb"), ExportFormat.PNG: (".png",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportChoice:
    """What the user decided; `psd` is the form of a PSD, in which `strip_prompts` is said here for all formats."""

    path: Path
    format: ExportFormat
    strip_prompts: bool = False
    psd: ExportOptions = field(default_factory=ExportOptions)


class ExportDialog(QDialog):
    """Asks where to; then shows the report in the same place. GUI thread."""

    export_asked = Signal(object)
    """The `ExportChoice`."""
    folder_asked = Signal(object)

    def __init__(
        self,
        doc: Document,
        path: Path,
        parent: QWidget | None = None,
        *,
        kind: ExportFormat = ExportFormat.PSD,
        selected: frozenset[LayerId] = frozenset(),
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.setMinimumWidth(520)
        self._doc = doc
        self._written: Path | None = None
        self._may_replace: Path | None = None
        self._is_big = False
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 16)
        column.setSpacing(10)
        self.psd = QRadioButton("Photoshop document, all layers (PSD)")
        self.png = QRadioButton("Flat picture with transparency (PNG)")
        formats = QButtonGroup(self)
        for button in (self.psd, self.png):
            formats.addButton(button)
            column.addWidget(button)
        self._upper_line = _line()
        column.addWidget(self._upper_line)
        self.options = PsdOptions(doc, selected)
        self.options.changed.connect(self._show_preflight)
        column.addWidget(self.options)
        self.strip = CheckBox("Leave the words out of the file")
        self.strip.setToolTip(
            "The prompt and every layer's words are otherwise in the file's properties; engine and seeds always are"
        )
        column.addWidget(self.strip)
        self._middle_line = _line()
        column.addWidget(self._middle_line)
        self.heading = QLabel("What will be written")
        self.heading.setObjectName("heading")
        self.lines = QLabel()
        self.lines.setWordWrap(True)
        column.addWidget(self.heading)
        column.addWidget(self.lines)
        self._build_end(column, path)
        chosen = self.psd if kind is ExportFormat.PSD else self.png
        chosen.setChecked(True)
        chosen.setFocus()
        self.psd.toggled.connect(self._on_format)
        self.resize(520, self.minimumSizeHint().height())
        self._show_preflight()

    def _build_end(self, column: QVBoxLayout, path: Path) -> None:
        row = QHBoxLayout()
        self.path = QLineEdit(str(path))
        self.path.setAccessibleName("File")
        self.path.textChanged.connect(self._on_path)
        self.browse = QPushButton("Choose…")
        self.browse.clicked.connect(self._on_browse)
        row.addWidget(self.path, 1)
        row.addWidget(self.browse)
        column.addLayout(row)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setObjectName("problem")
        self.problem.hide()
        column.addWidget(self.problem)
        column.addStretch(1)
        column.addWidget(_line())
        buttons = QHBoxLayout()
        self.folder = QPushButton("Show in folder")
        self.folder.clicked.connect(lambda: self.folder_asked.emit(self._written))
        self.folder.hide()
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self.reject)
        self.export = QPushButton("Export")
        self.export.setProperty("primary", True)
        self.export.setDefault(True)
        self.export.clicked.connect(self._on_export)
        buttons.addWidget(self.folder)
        buttons.addStretch(1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.export)
        column.addLayout(buttons)

    @property
    def format(self) -> ExportFormat:
        """The chosen format."""
        return ExportFormat.PSD if self.psd.isChecked() else ExportFormat.PNG

    def show_report(self, path: Path, lines: tuple[str, ...]) -> None:
        """Say what was written; the dialog stays until it is closed."""
        self._written = path
        self.heading.setText(f"Written: {path.name}")
        self.lines.setText(_bulleted(lines))
        asked: tuple[QWidget, ...] = (self.psd, self.png, self._upper_line, self._middle_line)
        asked += (self.options, self.strip, self.path, self.browse)
        for widget in (*asked, self.export, self.problem):
            widget.hide()
        self.folder.show()
        self.cancel.setText("Done")
        self.cancel.setEnabled(True)
        self.cancel.setDefault(True)
        self.cancel.setFocus()
        self.adjustSize()

    def show_problem(self, text: str) -> None:
        """Say why nothing was written; the user may try again."""
        self.problem.setText(text)
        self.problem.show()
        self._set_busy(busy=False)
        self._fit()

    def _fit(self) -> None:
        """Take the height that the wrapped sentences need: a dialog gives them their one-line height alone."""
        layout = self.layout()
        assert layout is not None
        layout.activate()
        self.resize(self.width(), max(self.minimumHeight(), layout.totalHeightForWidth(self.width())))

    def _on_format(self) -> None:
        path = Path(self.path.text())
        if path.suffix.lower() in (".psd", ".png"):
            self.path.setText(str(path.with_suffix(f".{self.format.value}")))
        self._show_preflight()

    def _show_preflight(self) -> None:
        is_psd = self.format is ExportFormat.PSD
        size = self._doc.size
        flat = (f"One picture of {size.width} × {size.height} px, sRGB, as the canvas shows it.",)
        self._is_big = self._psd_options().big
        self.options.setVisible(is_psd)
        self.lines.setText(_bulleted(preflight(self._doc, self._psd_options()) if is_psd else flat))
        self._fit()

    def _psd_options(self) -> ExportOptions:
        big = Path(self.path.text()).suffix.lower() == PSB_SUFFIX
        return replace(self.options.options(), big=big)

    def _on_path(self) -> None:
        self._may_replace = None
        self.problem.hide()
        self.export.setText("Export")
        if self._psd_options().big is not self._is_big:
            self._show_preflight()

    def _on_browse(self) -> None:
        filters = (
            "Photoshop document (*.psd *.psb)" if self.format is ExportFormat.PSD else "PNG picture (*.png)"
        )
        name, _ = QFileDialog.getSaveFileName(self, "Export as", self.path.text(), filters)
        if name:
            self.path.setText(name)
            self._may_replace = Path(name)  # the file dialog has asked

    def _on_export(self) -> None:
        path = Path(self.path.text().strip()).expanduser()
        if not path.name:
            self.show_problem("Give the file a name.")
            return
        if path.suffix.lower() not in _ENDINGS[self.format]:
            path = path.with_name(f"{path.name}.{self.format.value}")
        if path.exists() and path != self._may_replace:
            self._may_replace = path
            self.show_problem(f"“{path.name}” is there already. Press Replace to write over it.")
            self.export.setText("Replace")
            return
        self.problem.hide()
        self._set_busy(busy=True)
        self.export_asked.emit(
            ExportChoice(
                path=path,
                format=self.format,
                strip_prompts=self.strip.isChecked(),
                psd=self._psd_options(),
            )
        )

    def _set_busy(self, *, busy: bool) -> None:
        self.export.setText("Writing…" if busy else "Export")
        self.export.setEnabled(not busy)
        self.cancel.setEnabled(not busy)


def _line() -> QFrame:
    line = QFrame()
    line.setObjectName("line")
    return line


def _bulleted(lines: tuple[str, ...]) -> str:
    return "\n".join(f"•  {line}" for line in lines)
