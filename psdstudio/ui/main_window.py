"""The main window: builds the rooms, connects them, and answers the actions that concern the window itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSettings, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QImage, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QMainWindow, QMenu, QSplitter

from psdstudio.core.changes import Change
from psdstudio.core.layers import LayerId
from psdstudio.core.parts import object_group_of
from psdstudio.errors import StudioError
from psdstudio.gen.engine import Preview
from psdstudio.gen.scopes import Verb
from psdstudio.io.formats import ExportFormat
from psdstudio.jobs.job import JobId
from psdstudio.jobs.report import ErrorReport
from psdstudio.render.compositor import Compositor
from psdstudio.ui import theme
from psdstudio.ui.actions import Actions
from psdstudio.ui.bridge import Background, JobBridge, SessionBridge
from psdstudio.ui.canvas.controller import CanvasController, ToolName
from psdstudio.ui.canvas.display import screen_render
from psdstudio.ui.canvas.images import srgb_qimage
from psdstudio.ui.canvas.live import EDGE
from psdstudio.ui.canvas.thumbnails import Thumbnails
from psdstudio.ui.canvas.tile_cache import TileCache
from psdstudio.ui.canvas.view import CanvasView
from psdstudio.ui.dialogs.about import about_box
from psdstudio.ui.dialogs.errors import ErrorDialog
from psdstudio.ui.digits import DigitPairs
from psdstudio.ui.engine_view import EngineView
from psdstudio.ui.escape import EscapeKey
from psdstudio.ui.examples import load_examples
from psdstudio.ui.failures import failure_notice
from psdstudio.ui.files import Files
from psdstudio.ui.generate.controller import Generation
from psdstudio.ui.generate.rows import row_states
from psdstudio.ui.generate.run import InsertTarget, RunView
from psdstudio.ui.layer_edits import LayerEdits
from psdstudio.ui.menu_style import dress
from psdstudio.ui.merging import Merging
from psdstudio.ui.panels.canvas_area import CanvasArea
from psdstudio.ui.panels.empty_state import EmptyState
from psdstudio.ui.panels.error_bar import Notice, NoticeBar
from psdstudio.ui.panels.layers import LayersPanel
from psdstudio.ui.panels.prompt import PromptBar
from psdstudio.ui.panels.properties import PropertiesPanel
from psdstudio.ui.panels.status import StatusBar
from psdstudio.ui.panels.tool_bars import OptionsBar, ToolColumn
from psdstudio.ui.placing import Placing
from psdstudio.ui.services import Services
from psdstudio.ui.window_actions import MENUS, ROW_MENU, window_actions
from psdstudio.ui.window_layout import arrange_column, body_of, fill_menus, fill_recent

_FIRST_LOOK_MS = 60
"""The window is painted before the engine starts: a starting process takes the cores it would be painted with."""


class MainWindow(QMainWindow):
    """One document, its engine and everything around them. GUI thread."""

    def __init__(self, services: Services, settings: QSettings | None = None) -> None:
        super().__init__()
        self._services, self._settings = services, settings
        self._render = Background("render", parent=self)
        self._disk = Background("files", parent=self)
        self._thumbs = Background("thumbnails", parent=self)
        self._words = Background("planner", parent=self)
        self.bridge = SessionBridge(services.session, self)
        self._jobs = JobBridge(services.runner.subscribe, self)
        self._live: dict[LayerId, QImage] = {}
        self._digits = DigitPairs()
        self._was_examined = False
        self._was_shown = False
        self._is_running = False
        self.generation = Generation(
            self.bridge,
            services.runner,
            self._jobs,
            services.store,
            plan=services.plan,
            engine_words=services.engine_words,
            engines=services.engines,
            background=self._words,
            parent=self,
        )
        self.edits = LayerEdits(self.bridge)
        self.merging = Merging(self.bridge, self._render, self)
        self.files = Files(self.bridge, services.store, services.recovery, self._disk, window=self)
        self.placing = Placing(self.bridge, self._disk, self)
        self._build()
        self.escape = EscapeKey(self.generation, self.notices.dismiss, self)
        self._connect()
        self._on_title()
        self._show_empty()
        self.setMinimumSize(theme.MIN_WIDTH, theme.MIN_HEIGHT)
        self.resize(1440, 900)

    # ---- construction

    def _build(self) -> None:
        self._right = QSplitter(Qt.Orientation.Vertical)
        self.view = CanvasView(TileCache(screen_render(Compositor().render), self._render, self))
        pictures = Thumbnails(self._thumbs, self, edge=EDGE)
        self.canvas = CanvasController(self.view, self.bridge, self.generation, pictures, self)
        self.prompt = PromptBar(self.generation)
        self.notices = NoticeBar()
        self.empty = EmptyState()
        self.area = CanvasArea(self.view, self.prompt, self.empty, self.notices)
        self.thumbnails = Thumbnails(self._thumbs, self)
        self.layers = LayersPanel(self.bridge, self.edits, self.thumbnails)
        self.properties = PropertiesPanel(self.bridge, self.generation, self._services.engines)
        self.status = StatusBar()
        self.engine_view = EngineView(self._services.engines, self.empty, self.status, self)
        self.actions_table = Actions(window_actions(self), self)
        self.options = OptionsBar(self.bridge, self.canvas)
        self.tools = ToolColumn(self.actions_table)
        self.addToolBar(Qt.ToolBarArea.TopToolBarArea, self.options)
        self.addToolBar(Qt.ToolBarArea.LeftToolBarArea, self.tools)
        arrange_column(self._right, self.layers, self.properties)
        self.setCentralWidget(body_of(self.area, self._right))
        self.setStatusBar(self.status)
        fill_menus(self.menuBar(), self.layers.footer, self.properties.more, self.actions_table, MENUS)
        self.recent_menu = dress(QMenu("Open recent", self))
        self.recent_menu.setEnabled(False)
        file_menu = self.menuBar().actions()[0].menu()
        assert isinstance(file_menu, QMenu)
        file_menu.insertMenu(self.actions_table["save"], self.recent_menu)

    def _connect(self) -> None:
        generation, bridge = self.generation, self.bridge
        bridge.changed.connect(self._on_change)
        bridge.selected.connect(lambda _: self.actions_table.refresh())
        bridge.failed.connect(lambda error: self._on_failed(error))
        generation.run_changed.connect(self._on_run)
        generation.preview.connect(self._on_preview)
        generation.failed.connect(self._on_failed)
        generation.accepted.connect(self._on_accepted)
        generation.engine_state.connect(self.status.show_engine)
        generation.engine_state.connect(lambda _: self.actions_table.refresh())
        self.files.notice.connect(self.notices.show_notice)
        self.files.renamed.connect(self._on_title)
        self.notices.details_asked.connect(self._show_details)
        self.view.zoom_changed.connect(self.status.show_zoom)
        self.area.dropped.connect(self.placing.drop)
        self.placing.notice.connect(self.notices.show_notice)
        self.placing.said.connect(self.status.say)
        self.placing.open_asked.connect(self.files.open_path)
        self.escape.said.connect(self.status.say)
        self.view.panels_toggled.connect(self.toggle_panels)
        self.status.zoom_typed.connect(self._on_zoom_typed)
        self.canvas.said.connect(self.status.say)
        self.canvas.tool_changed.connect(self._on_tool)
        self.layers.menu_asked.connect(lambda at: self.row_menu().popup(at))
        self.layers.refresh_asked.connect(
            lambda i: self.generation.start_verb(Verb.REFRESH_CONTACTS, (LayerId(i),))
        )
        self.properties.regenerate_asked.connect(lambda: self.run_verb(Verb.REGENERATE_LAYER))
        self.properties.new_look_asked.connect(lambda: self.run_verb(Verb.NEW_LOOK))
        self.empty.size_asked.connect(self.files.resize_empty)
        self.empty.open_asked.connect(self.files.open)
        self.empty.example_asked.connect(self.files.open_example)
        self.status.show_zoom(self.view.transform.zoom)
        self.status.show_document(bridge.session.document)

    # ---- what actions ask

    def has_layers(self) -> bool:
        """Whether the document has any layer."""
        return bool(self.bridge.session.document.layers)

    def has_selection(self) -> bool:
        """Whether a layer is selected."""
        return bool(self.bridge.session.selection)

    def is_idle(self) -> bool:
        """Whether no run goes on."""
        return self.generation.run is None

    @property
    def shows_panels(self) -> bool:
        """Whether the right column is shown."""
        return not self._right.isHidden()

    # ---- what actions do

    def undo(self) -> None:
        """Take back one step (Ctrl+Z)."""
        label = self.bridge.session.undo_label
        if self.bridge.session.undo() is not None:
            self.status.say(f"Undone: {label}")

    def redo(self) -> None:
        """Do one step again (Ctrl+Shift+Z)."""
        label = self.bridge.session.redo_label
        if self.bridge.session.redo() is not None:
            self.status.say(f"Done again: {label}")

    def show_export(self, kind: ExportFormat) -> None:
        """Open the export dialog."""
        self.files.export(kind)

    def show_recent(self, paths: Sequence[Path]) -> None:
        """List these files under File, Open recent."""
        fill_recent(self.recent_menu, paths, self.files.open_path)

    def rename_layer(self) -> None:
        """Open the name editor of the selected row (F2)."""
        if self.edits.ids:
            self.layers.view.rename(self.edits.ids[-1])

    def run_verb(self, verb: Verb) -> None:
        """Run a verb on the selection."""
        self.generation.start_verb(verb, self.bridge.session.selection)

    def insert_above(self) -> None:
        """Let the prompt speak of a new object in front of the selected one."""
        doc, selection = self.bridge.session.document, self.bridge.session.selection
        group = object_group_of(doc, selection[-1])
        layer = group if group is not None else doc.layer(selection[-1])
        self.generation.set_insert(InsertTarget(above=layer.id, name=layer.props.name))
        self.focus_prompt()

    def focus_prompt(self) -> None:
        """Put the cursor into the prompt (Ctrl+L)."""
        self.prompt.text.setFocus()
        self.prompt.text.selectAll()

    def focus_layers(self) -> None:
        """Go to the layers (F7)."""
        self._right.show()
        self.layers.view.setFocus()

    def focus_next_region(self) -> None:
        """Go round canvas, prompt, layers and properties (F6)."""
        regions = (self.view, self.prompt.text, self.layers.view, self.properties.words)
        shown = [region for region in regions if region.isVisible()]
        focused = self.focusWidget()
        at = shown.index(focused) if focused in shown else -1
        shown[(at + 1) % len(shown)].setFocus(Qt.FocusReason.TabFocusReason)

    def toggle_panels(self) -> None:
        """Hide or show what is around the canvas (Tab)."""
        self._right.setVisible(not self.shows_panels)
        self.actions_table.refresh()

    def toggle_extras(self) -> None:
        """Hide or show frames and boxes (Ctrl+H)."""
        self.canvas.shows_extras = not self.canvas.shows_extras
        self.canvas.refresh()
        self.actions_table.refresh()

    def toggle_full_screen(self) -> None:
        """Go to full screen and back (F)."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def type_opacity(self, digit: int) -> None:
        """Set opacity by digits, as Photoshop: 5 is 50 %, 0 is 100 %, 4 then 2 is 42 %."""
        self.edits.set_opacity(self._digits.take("opacity", digit))

    def type_fill(self, digit: int) -> None:
        """Set fill by Shift and digits."""
        self.edits.set_fill(self._digits.take("fill", digit))

    def show_about(self) -> None:
        """Say which PSDStudio and which engine this is."""
        about_box(self.status.engine_info, self).open()

    def leave(self) -> None:
        """Close the window, asking for unsaved work."""
        self.close()

    # ---- news

    def _on_change(self, change: Change) -> None:
        if (
            change.before.size != change.after.size
            or change.before.resolution_dpi != change.after.resolution_dpi
            or change.before.profile != change.after.profile
        ):
            self.status.show_document(change.after)
        self.actions_table["undo"].setText(_named("Undo", self.bridge.session.undo_label))
        self.actions_table["redo"].setText(_named("Redo", self.bridge.session.redo_label))
        self.actions_table.refresh()
        self._show_empty()
        self._on_title()

    def _show_empty(self) -> None:
        doc = self.bridge.session.document
        is_empty = not doc.layers and self.generation.run is None and self.canvas.tool is not ToolName.BOX
        self.empty.set_canvas_size(doc.size)
        if is_empty != self.area.is_empty or not self._was_examined:
            self.area.set_empty(is_empty)
        self._was_examined = True

    def _on_tool(self, tool: ToolName) -> None:
        self.actions_table.refresh()
        self._show_empty()

    def _on_run(self, run: RunView | None) -> None:
        if run is None:
            self._live.clear()
            self.layers.show_run(None, {})
        else:
            doc = self.bridge.session.document
            self.layers.show_run(run.planned, row_states(run, doc, self._live))
        self.status.show_run(run)
        if (run is not None) != self._is_running:
            self._is_running = run is not None
            if run is not None:
                self.notices.begin_run()
                self.status.say(run.scope.button_text())
            self.actions_table.refresh()
            self._show_empty()

    def _on_preview(self, preview: Preview) -> None:
        self._live.update((layer_id, srgb_qimage(raster.rgba)) for layer_id, raster in preview.rasters)

    def _on_accepted(self, notes: tuple[str, ...]) -> None:
        self.status.say("Done. Pin what you like with N, then regenerate the rest.")
        if notes:
            self.notices.show_notice(Notice(message=" ".join(notes), is_error=False))

    def _on_failed(self, problem: StudioError | ErrorReport, job_id: JobId | None = None) -> None:
        self.notices.show_notice(failure_notice(problem, job_id, self.generation))

    def _show_details(self, notice: Notice | None) -> None:
        if notice is not None:
            ErrorDialog(notice.message, notice.hint, notice.details, self).open()

    def row_menu(self) -> QMenu:
        """Return the context menu of the layer panel."""
        self.actions_table.refresh_menu()
        menu = dress(QMenu(self))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.actions_table.fill(menu, ROW_MENU)
        return menu

    def _on_title(self) -> None:
        is_dirty = self.bridge.session.is_dirty
        self.setWindowTitle(f"{self.files.title}{'*' if is_dirty else ''} — PSDStudio")
        self.status.show_saved(self.files.saved_at, is_dirty=is_dirty)

    def _on_zoom_typed(self, zoom: float) -> None:
        if zoom > 0:
            self.view.zoom_to(zoom)
        self.status.show_zoom(self.view.transform.zoom)
        self.view.setFocus()

    # ---- the window itself

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.prompt.text.setFocus()
        QTimer.singleShot(_FIRST_LOOK_MS, self._after_show)

    def _after_show(self) -> None:
        """Start what may wait until the window is up: engine, examples, recovery."""
        if self._was_shown or not self.isVisible():  # closed again already: nothing may start any more
            return
        self._was_shown = True
        self._services.runner.warm_up()
        self.generation.read_ahead()
        folder = self._services.examples
        if folder is not None:
            self._disk.submit(lambda: load_examples(folder), self.empty.set_examples)
        self.files.offer_recovery()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.escape.press()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.files.may_leave():
            event.ignore()
            return
        self.hide()  # at once: the engine may take a second to end
        self.shut_down()
        event.accept()

    def shut_down(self) -> None:
        """End the threads and the engine, in order; nothing is asked."""
        self.bridge.close()
        self._services.runner.shutdown()
        self._services.engines.close()
        for background in (self._words, self._render, self._thumbs, self._disk):
            background.stop()
        if self._services.recovery is not None:
            self._services.recovery.close()


def _named(verb: str, label: str | None) -> str:
    return f"{verb} {label}" if label else verb
