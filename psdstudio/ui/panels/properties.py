"""What the selected layer is: its words, place and size, how it was made, and the buttons that make it anew."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from psdstudio.core.adjustment_commands import SetAdjustment
from psdstudio.core.adjustments import TITLES, Adjustment
from psdstudio.core.bounds import layer_bounds
from psdstudio.core.commands import SetBox, SetProps, SetScene, SetWords
from psdstudio.core.document import Document
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, Lock, LoraUse, PixelLayer, Recipe, Role
from psdstudio.core.parts import children_with, object_group_of
from psdstudio.core.prompt_commands import SetLoras, SetNegative, prompted
from psdstudio.core.wording import counted
from psdstudio.ui.bridge import SessionBridge
from psdstudio.ui.engines import Engines
from psdstudio.ui.generate.controller import Generation
from psdstudio.ui.panels.adjustment_controls import AdjustmentControls
from psdstudio.ui.panels.part_prompts import PartPrompts
from psdstudio.ui.widgets import CheckBox, icon_button
from psdstudio.ui.wording import kind, role_name


class PropertiesPanel(QWidget):
    """Follows the selection. GUI thread."""

    regenerate_asked = Signal()
    new_look_asked = Signal()

    def __init__(
        self,
        bridge: SessionBridge,
        generation: Generation,
        engines: Engines,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._bridge, self._generation, self._engines = bridge, generation, engines
        self._build()
        bridge.changed.connect(lambda _: self.refresh())
        bridge.selected.connect(lambda _: self.refresh())
        generation.run_changed.connect(self._on_run)
        generation.engine_state.connect(lambda _: self._show_prompts())
        engines.changed.connect(self._show_prompts)
        self.refresh()

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._header())
        body = QWidget()
        inner = QVBoxLayout(body)
        inner.setContentsMargins(10, 10, 10, 10)
        inner.setSpacing(8)
        self._words_caption = QLabel("Words of this layer")
        self._words_caption.setObjectName("dim")
        self.words = QPlainTextEdit()
        self.words.setAccessibleName("Words of this layer")
        self.words.setPlaceholderText("What this layer shows")
        self.words.setTabChangesFocus(True)
        self.words.setFixedHeight(52)
        self.words.installEventFilter(self)
        self.words.textChanged.connect(self._on_words)
        self.prompts = PartPrompts()
        self.prompts.negative_typed.connect(self._on_negative)
        self.prompts.loras_chosen.connect(self._on_loras)
        self._buttons = self._verb_buttons()
        self.facts = QFormLayout()
        self.facts.setContentsMargins(0, 2, 0, 0)
        self.facts.setHorizontalSpacing(12)
        self.facts.setVerticalSpacing(5)
        self.free_box = QPushButton("Let the engine place it")
        self.free_box.setToolTip("Forget the box you placed; the next run arranges this object again")
        self.free_box.clicked.connect(self._on_free_box)
        self.library = CheckBox("Draw from the picture library")
        self.library.setToolTip(
            "What the library holds is drawn from its picture, under the light of the scene; otherwise from words alone"
        )
        self.library.toggled.connect(self._on_library)
        self.adjustment = AdjustmentControls()
        self.adjustment.changed.connect(self._on_adjustment)
        self.adjustment.clip_asked.connect(self._on_clip)
        for widget in (self._words_caption, self.words, self.prompts, self._buttons, self.adjustment):
            inner.addWidget(widget)
        inner.addLayout(self.facts)
        inner.addWidget(self.free_box)
        inner.addWidget(self.library)
        inner.addStretch(1)
        scroll = QScrollArea()  # in a small window the facts scroll, the buttons are not pressed together
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(body)
        column.addWidget(scroll, 1)

    def _verb_buttons(self) -> QWidget:
        row = QWidget()
        buttons = QHBoxLayout(row)
        buttons.setContentsMargins(0, 0, 0, 0)
        self.regenerate = icon_button("Regenerate", "refresh")
        self.regenerate.setToolTip(
            "Regenerate this layer with these words; all others stay (Ctrl+Enter here)"
        )
        self.regenerate.clicked.connect(self.regenerate_asked)
        self.new_look = icon_button("New look", "new-look")
        self.new_look.setToolTip("Another look in the same place")
        self.new_look.clicked.connect(self.new_look_asked)
        for button in (self.regenerate, self.new_look):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            buttons.addWidget(button)
        self.more = QToolButton()
        self.more.setText("…")
        self.more.setToolTip("More: same outline, new place, fill")
        self.more.setAccessibleName("More that can be made of this layer")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        buttons.addWidget(self.more)
        return row

    def _header(self) -> QWidget:
        bar = QWidget()
        bar.setObjectName("panelHeader")
        bar.setFixedHeight(28)
        header = QHBoxLayout(bar)
        header.setContentsMargins(10, 0, 10, 0)
        self.title = QLabel("Layer")
        self.title.setObjectName("heading")
        self.role = QLabel()
        self.role.setObjectName("dim")
        header.addWidget(self.title)
        header.addStretch(1)
        header.addWidget(self.role)
        return bar

    # ---- showing

    def refresh(self) -> None:
        """Show the selection."""
        doc = self._bridge.session.document
        layers = [layer for i in self._bridge.session.selection if (layer := doc.find(i)) is not None]
        target = layers[-1] if len(layers) == 1 else None
        has_scene = any(layer.part is not None for layer in doc.walk())
        self.library.setVisible(target is None and has_scene)
        blocker = QSignalBlocker(self.library)
        self.library.setChecked(doc.scene.use_library)
        del blocker
        self._clear_facts()
        self.adjustment.setVisible(isinstance(target, AdjustmentLayer))
        self._show_prompts()
        if target is None:
            self._show_none(doc, len(layers))
        else:
            self._show_layer(doc, target)

    def _show_prompts(self) -> None:
        """Show what the engine is told of the selected part besides its words."""
        doc, selection = self._bridge.session.document, self._bridge.session.selection
        part = None
        if len(selection) == 1 and (layer := doc.find(selection[0])) is not None and _has_words(layer):
            part = prompted(doc, layer.id)[1]
        self.prompts.show_part(part, self._generation.capabilities, self._engines.loras)

    def _show_none(self, doc: Document, count: int) -> None:
        self.title.setText("Document" if count == 0 else counted(count, "layer") + " selected")
        self.role.setText("")
        for widget in (self._words_caption, self.words, self._buttons, self.free_box):
            widget.hide()
        if count == 0:
            self._add_fact("Canvas", f"{doc.size.width} × {doc.size.height} px, {doc.resolution_dpi:.0f} dpi")
            self._add_fact("Layers", str(sum(isinstance(x, PixelLayer) for x in doc.walk())))
            if any(layer.part is not None for layer in doc.walk()):
                self._add_fact("Seed", str(doc.scene.seed))

    def _show_layer(self, doc: Document, layer: Layer) -> None:
        self.title.setText(
            self.title.fontMetrics().elidedText(layer.props.name, Qt.TextElideMode.ElideRight, 180)
        )
        self.title.setToolTip(layer.props.name)
        self.role.setText(role_name(layer) or kind(layer).title())
        part, has_words = layer.part, _has_words(layer)
        group = object_group_of(doc, layer.id)
        is_placed = group is not None and group.part is not None and group.part.box_is_users
        for widget in (self._words_caption, self.words, self._buttons):
            widget.setVisible(has_words)
        self.free_box.setVisible(is_placed)
        if has_words and part is not None and not _same_words(part.words, self.words.toPlainText()):
            blocker = QSignalBlocker(self.words)
            self.words.setPlainText(part.words)
            del blocker
        is_free = self._generation.run is None
        self.regenerate.setEnabled(is_free)
        self.new_look.setEnabled(is_free)
        if isinstance(layer, AdjustmentLayer):
            self._show_adjustment(layer)
        else:
            self._show_facts(layer)

    def _show_adjustment(self, layer: AdjustmentLayer) -> None:
        self.role.setText(TITLES[type(layer.adjustment)])
        self.adjustment.show_layer(layer)
        if Lock.ALL in layer.props.locks:
            self._add_fact("Locked", "Unlock the layer to change it.")

    def _show_facts(self, layer: Layer) -> None:
        box = layer_bounds(layer)
        self._add_fact(
            "Place", "empty" if box.is_empty else f"X {box.x}  Y {box.y}   {box.width} × {box.height} px"
        )
        source = painted_layer(layer)
        native = source.part.native_size if source is not None and source.part is not None else None
        if native is not None and source is not None:
            own = layer_bounds(source)
            grown = max(own.width / native.width, own.height / native.height)
            text = f"{native.width} × {native.height} px"
            self._add_fact("Painted at", f"{text}, shown at {grown * 100:.0f} %" if grown > 1.01 else text)
        recipe = _recipe(layer)
        if recipe is not None:
            self._add_fact("Seed", f"{recipe.seed}, {recipe.steps} steps")
            if recipe.library_item:
                self._add_fact("Library", recipe.library_item)

    def _add_fact(self, name: str, value: str) -> None:
        caption, text = QLabel(name), QLabel(value)
        caption.setObjectName("dim")
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        text.setWordWrap(True)
        self.facts.addRow(caption, text)

    def _clear_facts(self) -> None:
        while self.facts.rowCount():
            self.facts.removeRow(0)

    def _on_run(self, run: object) -> None:
        self.regenerate.setEnabled(run is None)
        self.new_look.setEnabled(run is None)

    # ---- acting

    def _on_words(self) -> None:
        if self._bridge.session.selection:
            layer_id = self._bridge.session.selection[-1]
            self._bridge.apply(SetWords(layer_id=layer_id, words=self.words.toPlainText()))

    def _on_negative(self, text: str) -> None:
        self._bridge.apply(SetNegative(layer_id=self._bridge.session.selection[-1], negative=text))

    def _on_loras(self, loras: tuple[LoraUse, ...], is_weight: bool) -> None:  # a Qt signal's argument
        layer_id = self._bridge.session.selection[-1]
        self._bridge.apply(SetLoras(layer_id=layer_id, loras=loras, is_weight=is_weight))

    def _on_adjustment(self, adjustment: Adjustment, setting: str) -> None:
        layer_id = self._bridge.session.selection[-1]
        self._bridge.apply(SetAdjustment(layer_id=layer_id, adjustment=adjustment, setting=setting))

    def _on_clip(self, on: bool) -> None:  # a Qt signal's argument
        self._bridge.apply(SetProps(ids=(self._bridge.session.selection[-1],), clipping=on))

    def _on_free_box(self) -> None:
        group = object_group_of(self._bridge.session.document, self._bridge.session.selection[-1])
        if group is not None and group.part is not None:
            self._bridge.apply(SetBox(layer_id=group.id, box=group.part.box, is_users=False))

    def _on_library(self, on: bool) -> None:  # a Qt signal's argument
        self._bridge.apply(SetScene(use_library=on))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.words and isinstance(event, QKeyEvent):
            is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            is_run = is_enter and bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            if is_run and event.type() == QEvent.Type.ShortcutOverride:
                event.accept()  # here Ctrl+Enter means this layer, not the whole scene
                return True
            if is_run and event.type() == QEvent.Type.KeyPress:
                self.regenerate_asked.emit()
                return True
        return super().eventFilter(watched, event)


def painted_layer(layer: Layer) -> PixelLayer | None:
    """Return the layer that an engine painted: itself, or an object's look."""
    if isinstance(layer, GroupLayer):
        looks = children_with(layer, Role.OBJECT)
        return looks[-1] if looks else None
    return layer if isinstance(layer, PixelLayer) else None


def _has_words(layer: Layer) -> bool:
    """Whether it is painted from words of its own: an object or the background."""
    return layer.part is not None and layer.part.role in (Role.BACKGROUND, Role.OBJECT_GROUP, Role.OBJECT)


def _recipe(layer: Layer) -> Recipe | None:
    source = painted_layer(layer)
    return source.part.recipe if source is not None and source.part is not None else None


def _same_words(stored: str, typed: str) -> bool:
    return stored == " ".join(typed.split())
