"""The right half of the Models dialog: the user's models by kind, what is missing, and the work on the list."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QBrush, QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.models.engine_needs import is_there, rivals
from psdstudio.models.readiness import missing_for_photoreal, optional_for_photoreal
from psdstudio.ui import theme
from psdstudio.ui.model_list import ModelList, Report
from psdstudio.ui.widgets import ElidedLabel, ProgressLine

_ROW_PX = 24
_TITLE, _STATE, _SIZE = range(3)
_MODEL = Qt.ItemDataRole.UserRole
MISSING = "<b>For photoreal layers:</b> "
READY = "Everything for photoreal layers is here."


class ModelTree(QTreeWidget):
    """Kinds with their models: title, state, size. GUI thread."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Your models")
        self.setColumnCount(3)
        self.setHeaderHidden(True)
        self.setRootIsDecorated(False)
        self.setItemsExpandable(False)
        self.setIndentation(10)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setStyleSheet(
            f"QTreeView {{ background: {theme.FIELD}; border: 1px solid {theme.LINE_LIGHT}; border-radius: 4px;"
            f" padding: 3px; }} QTreeView:focus {{ border-color: {theme.ACCENT_TEXT}; }}"
            f" QTreeView::item:selected {{ background: {theme.ROW_SELECTED}; color: {theme.TEXT}; }}"
        )
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(_TITLE, QHeaderView.ResizeMode.Stretch)
        for column in (_STATE, _SIZE):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)

    @property
    def model_selected(self) -> ModelFile | None:
        """The model whose row is selected."""
        items = self.selectedItems()
        found = items[0].data(0, _MODEL) if items else None
        return found if isinstance(found, ModelFile) else None

    def show_models(self, models: ModelList) -> None:
        """Show the list; the selected model stays selected."""
        selected = self.model_selected
        self.clear()
        for kind in ModelKind:
            of_kind = [model for model in models.models if model.kind is kind]
            if not of_kind:
                continue
            head = QTreeWidgetItem([kind.value])
            head.setFlags(Qt.ItemFlag.ItemIsEnabled)
            head.setForeground(0, QBrush(QColor(theme.TEXT_DIM)))
            head.setSizeHint(0, QSize(0, _ROW_PX))
            self.addTopLevelItem(head)
            head.setFirstColumnSpanned(True)
            for model in of_kind:
                item = self._item(model, models)
                head.addChild(item)
                item.setSelected(selected is not None and model.path == selected.path)
        self.expandAll()

    def _item(self, model: ModelFile, models: ModelList) -> QTreeWidgetItem:
        state, colour = _state(model, models)
        item = QTreeWidgetItem([model.title, state, _size(model.size_bytes)])
        item.setData(0, _MODEL, model)
        item.setForeground(_STATE, QBrush(QColor(colour)))
        item.setForeground(_SIZE, QBrush(QColor(theme.TEXT_DIM)))
        item.setTextAlignment(_SIZE, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item.setSizeHint(0, QSize(0, _ROW_PX))
        facts = "".join(f"\n{name}: {value}" for name, value in model.facts)
        for column in range(3):
            item.setToolTip(column, f"{model.path}{facts}\nSHA-256 {model.sha256}")
        return item


class ModelShelf(QWidget):
    """The list with its buttons. GUI thread."""

    def __init__(self, models: ModelList, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models = models
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        heading = QLabel("Your models")
        heading.setObjectName("heading")
        column.addWidget(heading)
        self.needs = QLabel()
        self.needs.setWordWrap(True)
        column.addWidget(self.needs)
        self.tree = ModelTree()
        self.empty = QLabel(
            "No models yet.\nChoose the folder where SDXL and LayerDiffuse weights lie (.safetensors): "
            "all that can be used in it is found. Nothing is copied."
        )
        self.empty.setObjectName("hint")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside = QVBoxLayout(self.tree)
        inside.setContentsMargins(40, 0, 40, 0)
        inside.addWidget(self.empty)
        column.addWidget(self.tree, 1)
        self.message = QLabel()
        self.message.setWordWrap(True)
        column.addWidget(self.message)
        column.addWidget(self._work_row())
        column.addLayout(self._buttons())
        models.changed.connect(self.refresh)
        models.progressed.connect(self._on_progress)
        models.ended.connect(self._on_ended)
        self.tree.itemSelectionChanged.connect(self._show_buttons)
        self._say("")
        self.refresh()

    def _work_row(self) -> QWidget:
        self.work = QWidget()
        row = QHBoxLayout(self.work)
        row.setContentsMargins(0, 0, 0, 0)
        self.doing = ElidedLabel()
        self.line = ProgressLine()
        self.stop = QPushButton("Stop")
        self.stop.clicked.connect(self._models.cancel)
        row.addWidget(self.doing, 1)
        row.addWidget(self.line)
        row.addWidget(self.stop)
        self.work.hide()
        return self.work

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        self.add_folder = QPushButton("Add folder…")
        self.add_folder.clicked.connect(self.choose_folder)
        self.add_file = QPushButton("Add file…")
        self.add_file.clicked.connect(self._choose_file)
        self.prefer = QPushButton("Use this one")
        self.prefer.setToolTip("Of several models of a kind, let the engine take this one")
        self.prefer.clicked.connect(lambda: self._on_selected(self._models.prefer))
        self.remove = QPushButton("Remove")
        self.remove.setToolTip("Take the model off the list; its files stay where they are")
        self.remove.clicked.connect(lambda: self._on_selected(self._models.remove))
        self.verify = QPushButton("Verify")
        self.verify.setToolTip("Read all models again and compare them with what was added")
        self.verify.clicked.connect(self._models.verify)
        row.addWidget(self.add_folder)
        row.addWidget(self.add_file)
        row.addStretch(1)
        for button in (self.prefer, self.remove, self.verify):
            row.addWidget(button)
        for button in (self.add_folder, self.add_file, self.prefer, self.remove, self.verify, self.stop):
            button.setAutoDefault(False)
        return row

    def choose_folder(self) -> None:
        """Ask for a folder and add what is in it."""
        name = QFileDialog.getExistingDirectory(self, "Folder with models")
        if name:
            self._models.add(Path(name))

    def _choose_file(self) -> None:
        kinds = "Models (*.safetensors);;All files (*)"
        name, _ = QFileDialog.getOpenFileName(self, "Model", "", kinds)
        if name:
            self._models.add(Path(name))

    def _on_selected(self, act: object) -> None:
        model = self.tree.model_selected
        if model is not None and callable(act):
            act(model)

    # ---- showing

    def refresh(self) -> None:
        """Show the list, what is missing, and which buttons apply."""
        self.tree.show_models(self._models)
        self.empty.setVisible(not self._models.models)
        missing = missing_for_photoreal(self._models.models)
        if missing:
            self.needs.setText(MISSING + " ".join(missing))
        else:
            self.needs.setText(" ".join((READY, *optional_for_photoreal(self._models.models))))
        self.needs.setObjectName("" if missing else "hint")
        self._show_buttons()

    def _show_buttons(self) -> None:
        is_free, selected = not self._models.doing, self.tree.model_selected
        for button in (self.add_folder, self.add_file):
            button.setEnabled(is_free)
        self.remove.setEnabled(is_free and selected is not None)
        self.verify.setEnabled(is_free and bool(self._models.models))
        can_prefer = selected is not None and _rank(selected, self._models) > 0
        self.prefer.setVisible(can_prefer)
        self.prefer.setEnabled(is_free and can_prefer)

    def _on_progress(self, doing: str, fraction: float) -> None:
        self.work.show()
        self.doing.setText(doing)
        self.line.set_fraction(fraction)
        self._say("")
        self._show_buttons()

    def _on_ended(self, report: Report) -> None:
        self.work.hide()
        tip = "\n".join(report.remarks)
        if report.problem is not None:
            self._say(
                f"{report.problem.user_message} {report.problem.hint}".strip(), is_problem=True, tip=tip
            )
        else:
            self._say(report.message, tip=tip)
        self._show_buttons()

    def _say(self, text: str, *, is_problem: bool = False, tip: str = "") -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.message.setToolTip(tip)
        self.message.setStyleSheet(f"color: {theme.RED if is_problem else theme.TEXT_DIM};")


def _rank(model: ModelFile, models: ModelList) -> int:
    """Return how many models an engine would take rather than this one; -1 where there is nothing to choose from."""
    kinds = rivals(model.kind)
    alike = [other for other in models.models if other.kind in kinds]
    return alike.index(model) if len(alike) > 1 else -1


def _state(model: ModelFile, models: ModelList) -> tuple[str, str]:
    """Return what is said of a model's state, and in which colour."""
    if not is_there(model):
        return "not there any more", theme.AMBER
    verdict = models.verdict(model)
    if verdict is not None and verdict.error is not None:
        return "changed or damaged", theme.RED
    said = ["in use"] if _rank(model, models) == 0 else []
    return ", ".join([*said, *(["verified"] if verdict is not None else [])]), theme.TEXT_DIM


def _size(count: int) -> str:
    return (
        f"{count / 1e9:.1f} GB"
        if count >= 1e9
        else f"{count / 1e6:.0f} MB"
        if count >= 1e6
        else f"{count / 1e3:.0f} kB"
    )
