"""The prompt bar: one sentence, the layers it makes as chips, and the button that says what it will do."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QToolButton, QVBoxLayout, QWidget

from psdstudio.errors import StudioError
from psdstudio.gen.costs import cost_sentence
from psdstudio.ui import theme
from psdstudio.ui.generate.controller import Generation
from psdstudio.ui.generate.draft import Draft, DraftLayer
from psdstudio.ui.generate.proposal import kept_chips
from psdstudio.ui.generate.run import RunView
from psdstudio.ui.icons import IconColours, icon
from psdstudio.ui.panels.chips import AddChip, Chip
from psdstudio.ui.panels.flow_layout import FlowLayout
from psdstudio.ui.panels.primary_button import PrimaryButton

PLACEHOLDERS = (
    "For example: a swan and a flamingo on calm water at sunset",
    "For example: a swan on calm water",
)
"""The longest that fits is shown."""

SPLIT_HINT = "<b>Split into layers:</b> name what is in the picture; boxes (K) say where, if you like"
_TEXT_MIN = 220


class PromptBar(QWidget):
    """Shows the state of a `Generation` and hands the user's words to it. GUI thread."""

    resized = Signal()
    """Its height changed: whoever placed it shall place it again."""

    def __init__(self, generation: Generation, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._generation = generation
        self._shown: tuple[object, ...] = ()
        self.setAttribute(Qt.WidgetAttribute.WA_NoMousePropagation)
        self._build()
        generation.draft_changed.connect(self.refresh)
        generation.run_changed.connect(self._on_run)
        self.refresh()

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(8)
        self._target = QWidget()
        target_row = QHBoxLayout(self._target)
        target_row.setContentsMargins(0, 0, 0, 0)
        self.target_label = QLabel()
        close = QToolButton()
        close.setIcon(icon("close", IconColours(normal=theme.TEXT_DIM)))
        close.setIconSize(QSize(12, 12))
        close.setToolTip("Back to the whole scene")
        close.setAccessibleName("Back to the whole scene")
        close.clicked.connect(lambda: self._generation.leave_target())
        target_row.addWidget(self.target_label)
        target_row.addWidget(close)
        target_row.addStretch(1)
        self._chip_box = QWidget()
        self._chips = FlowLayout(self._chip_box)
        self._chips.setContentsMargins(0, 0, 0, 0)
        self.note = QLabel()
        self.note.setObjectName("hint")
        self.note.setWordWrap(True)
        self.text = QLineEdit()
        self.text.setAccessibleName("Prompt")
        self.text.setFixedHeight(34)
        self.text.setMinimumWidth(_TEXT_MIN)  # a long scope on the button is cut, not the sentence
        self.text.setAcceptDrops(False)  # a picture dropped here is a layer, not its address in the sentence
        self.text.setMaxLength(20_000)
        self.text.setStyleSheet("QLineEdit { font-size: 13px; padding: 4px 10px; border-radius: 6px; }")
        self.text.textEdited.connect(self._generation.set_text)
        self.text.returnPressed.connect(self.press_primary)
        self.button = PrimaryButton()
        self.button.clicked.connect(self.press_primary)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        column.addWidget(self._target)
        column.addWidget(self._chip_box)
        column.addLayout(row)
        column.addWidget(self.note)

    def press_primary(self) -> None:
        """Do what the button says: start, or stop the run that goes on."""
        if self._generation.run is not None:
            self._generation.stop()
        else:
            self._generation.start()

    # ---- showing

    def chips(self) -> list[Chip]:
        """Return the chips as shown, the background first."""
        items = (self._chips.itemAt(i) for i in range(self._chips.count()))
        widgets = (item.widget() for item in items if item is not None)
        return [widget for widget in widgets if isinstance(widget, Chip)]

    def stops(self) -> tuple[QWidget, ...]:
        """Return what Tab stops at, in order."""
        items = (self._chips.itemAt(i) for i in range(self._chips.count()))
        widgets = (item.widget() for item in items if item is not None)
        return (*(widget for widget in widgets if widget is not None), self.text, self.button)

    def refresh(self) -> None:
        """Show sentence, chips, button and note as they are now."""
        generation = self._generation
        if self.text.text() != generation.text:
            blocker = QSignalBlocker(self.text)
            self.text.setText(generation.text)
            del blocker
        target = generation.insert_target
        self._target.setVisible(target is not None or generation.is_splitting)
        if generation.is_splitting:
            self.target_label.setText(SPLIT_HINT)
        elif target is not None:
            self.target_label.setText(f"New object in front of <b>{_escaped(target.name)}</b>")
        self._show_placeholder()
        self._show_chips(generation.draft() if target is None else Draft())
        self._show_button()
        self.resized.emit()

    def _show_placeholder(self) -> None:
        room, metrics = self.text.width() - 26, self.text.fontMetrics()  # without padding and border
        fits = (words for words in PLACEHOLDERS if metrics.horizontalAdvance(words) <= room)
        words = next(fits, PLACEHOLDERS[-1])
        if self._generation.insert_target is not None:
            words = "What should stand there?"
        elif self._generation.is_splitting:
            words = "What is in the picture? For example: a fox and a lantern on snow"
        self.text.setPlaceholderText(words)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        layout = self.layout()
        assert layout is not None
        layout.activate()
        self._show_placeholder()

    def _show_button(self) -> None:
        generation = self._generation
        run = generation.run
        if run is not None:
            self.button.setText("Stopping" if run.is_stopping else "Stop")
            self.button.set_running(run.fraction)
            self.button.setEnabled(not run.is_stopping)
            self.button.setToolTip("Stop this run (Ctrl+.)")
            self._say("")
            return
        self.button.set_running(None)
        scope, problem = generation.scope(), generation.problem
        is_waiting = generation.is_reading and bool(generation.text.strip())
        text = "Split" if generation.is_splitting else "Generate"
        text = scope.button_text() if scope is not None else text
        self.button.setText(text)
        self.button.setAccessibleName(text)
        can_run = problem is None or is_waiting
        cost = generation.cost
        price = "" if cost is None else f"{cost_sentence(cost)}."
        tip = f"{text} (Ctrl+Enter)\n{price}".strip()
        self.button.setToolTip(tip if can_run or problem is None else _sentence(problem))
        self.button.setEnabled(can_run)
        notes = [scope.note_text(), price] if scope is not None else []
        has_target = generation.insert_target is not None or generation.is_splitting
        has_more = bool(generation.text.strip()) or (generation.is_fresh and not has_target)
        if problem is not None and not is_waiting and has_more:
            notes.insert(0, _sentence(problem))
        self._say(" ".join(note for note in notes if note))

    def _say(self, text: str) -> None:
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _show_chips(self, draft: Draft) -> None:
        is_splitting = self._generation.is_splitting
        keys = self._generation.chip_keys()
        kept = frozenset() if is_splitting else kept_chips(self._generation.document, keys)
        wanted = (draft, kept, self._generation.run is None, is_splitting)
        if wanted == self._shown:
            return
        self._shown = wanted
        while (item := self._chips.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        is_shown = not draft.is_empty or is_splitting
        self._chip_box.setVisible(is_shown)
        if not is_shown:
            return
        ground = draft.background
        name = ground.words or ("background" if is_splitting else "plain background")
        self._add_chip(replace(ground, name=name), kept, is_background=True, draft=draft)
        for layer in draft.objects:
            self._add_chip(layer, kept, is_background=False, draft=draft)
        add = AddChip(self._chip_box)
        add.added.connect(self._on_added)
        self._chips.addWidget(add)
        add.show()
        self._chip_box.updateGeometry()

    def _add_chip(
        self, layer: DraftLayer, kept: frozenset[str], *, is_background: bool, draft: Draft
    ) -> None:
        key = "" if is_background else layer.key
        note = "" if layer.nearest is None else f"as {layer.nearest}" if layer.nearest else "not known"
        chip = Chip(
            layer.name,
            icon_name="mountain" if is_background else "image",
            note=note,
            is_kept=key in kept,
            is_placed=not is_background and layer.key in dict(draft.boxes),
            can_remove=not is_background,
            parent=self._chip_box,
        )
        chip.removed.connect(lambda: self._on_removed(layer.key))
        chip.renamed.connect(
            (lambda words: self._on_ground(words))
            if is_background
            else (lambda words: self._on_renamed(layer.key, words))
        )
        self._chips.addWidget(chip)
        chip.show()

    def _on_run(self, run: RunView | None) -> None:
        self._show_button()
        self._chip_box.setEnabled(run is None)
        self.text.setReadOnly(run is not None)

    def _on_removed(self, key: str) -> None:
        self._generation.edit_chips(self._generation.edits.without(key))

    def _on_renamed(self, key: str, words: str) -> None:
        self._generation.edit_chips(self._generation.edits.with_words(key, words))

    def _on_ground(self, words: str) -> None:
        self._generation.edit_chips(replace(self._generation.edits, background=words))

    def _on_added(self, words: str) -> None:
        self._generation.edit_chips(self._generation.edits.with_added(words))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor("#505050"), 1))
        painter.setBrush(QColor(theme.PANEL))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 10, 10)
        painter.end()


def _sentence(problem: StudioError) -> str:
    message = (
        problem.user_message if problem.user_message.endswith((".", "!", "?")) else f"{problem.user_message}."
    )
    return f"{message} {problem.hint}".strip()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
