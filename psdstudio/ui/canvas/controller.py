"""Keeps the canvas in step with session, selection, tool and run: overlays, layout boxes, the live picture."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from PySide6.QtCore import QObject, Signal

from psdstudio.core.bounds import bounds_of
from psdstudio.core.changes import Change, Origin
from psdstudio.core.commands import SetBox
from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, BoxF
from psdstudio.core.layers import LayerId
from psdstudio.core.parts import is_kept, object_group_of, object_groups, object_rect
from psdstudio.core.session import Session
from psdstudio.gen.engine import Preview
from psdstudio.tools.driver import ToolDriver, ToolOptions
from psdstudio.tools.layout_box import LayoutBoxTool, boxes, selected_object
from psdstudio.tools.move import MoveTool
from psdstudio.ui.bridge import SessionBridge
from psdstudio.ui.canvas.live import live_picture
from psdstudio.ui.canvas.model import LivePicture, Overlays
from psdstudio.ui.canvas.overlays import LayoutBox
from psdstudio.ui.canvas.thumbnails import Thumbnails
from psdstudio.ui.canvas.tools import DriverTool, ZoomTool
from psdstudio.ui.canvas.view import CanvasView
from psdstudio.ui.generate.controller import Generation
from psdstudio.ui.generate.run import RunView


class ToolName(Enum):
    """The tools of the left column; the value is the icon."""

    MOVE = "move"
    BOX = "box"
    HAND = "hand"
    ZOOM = "zoom"


class CanvasController(QObject):
    """See the module text. GUI thread."""

    said = Signal(str)
    """A sentence of a tool for the status bar."""
    tool_changed = Signal(object)

    def __init__(
        self,
        view: CanvasView,
        bridge: SessionBridge,
        generation: Generation,
        pictures: Thumbnails,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._view, self._bridge, self._generation = view, bridge, generation
        self._pictures = pictures
        self._driver = ToolDriver(bridge.session, MoveTool())
        self._draft_session: Session | None = None
        self._tool = ToolName.MOVE
        self._guides: Overlays = Overlays()
        self._is_dragging_draft = False
        self.shows_extras = True
        bridge.changed.connect(self._on_change)
        bridge.selected.connect(self._on_selected)
        generation.draft_changed.connect(self._on_draft)
        generation.run_changed.connect(self._on_run)
        generation.preview.connect(self._on_preview)
        view.open(bridge.session.document)
        self.set_tool(ToolName.MOVE)

    # ---- tools

    @property
    def tool(self) -> ToolName:
        """The active tool."""
        return self._tool

    @property
    def options(self) -> ToolOptions:
        """Options of the Move tool."""
        return self._driver.options

    def set_options(self, options: ToolOptions) -> None:
        """Change them."""
        self._driver.options = options

    def set_tool(self, tool: ToolName) -> None:
        """Make a tool active."""
        self._tool = tool
        self._draft_session = None
        match tool:
            case ToolName.MOVE:
                self._driver.set_tool(MoveTool())
                self._view.set_tool(DriverTool(self._driver, self._answered))
            case ToolName.BOX:
                self._begin_boxes()
            case ToolName.HAND:
                self._view.set_tool(None)
            case ToolName.ZOOM:
                self._view.set_tool(ZoomTool(self._view))
        self.refresh()
        self.tool_changed.emit(tool)

    def _begin_boxes(self) -> None:
        """Boxes of the document's objects, or of chips that are not painted yet, on a session of their own."""
        planned = self._generation.planned() if self._generation.is_fresh else None
        if planned is None:
            self._draft_session = None
            self._driver.set_tool(LayoutBoxTool())
            self._view.set_tool(DriverTool(self._driver, self._answered))
            return
        self._draft_session = Session(with_suggested_boxes(planned))
        self._draft_session.subscribe(self._on_draft_box)
        self._draft_session.subscribe_selection(lambda ids: self.refresh())
        self._view.set_tool(DriverTool(ToolDriver(self._draft_session, LayoutBoxTool()), self._answered))

    def _on_draft_box(self, change: Change) -> None:
        self.refresh()
        if change.origin is Origin.PREVIEW:
            return
        edits, keys = self._generation.edits, self._generation.chip_keys()
        for group in object_groups(change.after):
            part = group.part
            if part is not None and part.box_is_users and part.box is not None and group.id in keys:
                edits = edits.with_box(keys[group.id], part.box)
        self._is_dragging_draft = True  # our own edit must not build the boxes anew under the pointer
        self._generation.edit_chips(edits)
        self._is_dragging_draft = False

    def _answered(self, driver: ToolDriver) -> None:
        xs = tuple(guide.position for guide in driver.guides if guide.is_vertical)
        ys = tuple(guide.position for guide in driver.guides if not guide.is_vertical)
        self._guides = Overlays(snap_xs=xs, snap_ys=ys)
        if driver.message:
            self.said.emit(driver.message)
        self.refresh()

    # ---- overlays

    def refresh(self) -> None:
        """Compute what is drawn over the picture."""
        session = self._draft_session or self._bridge.session
        doc = session.document
        is_boxing = self._tool is ToolName.BOX
        shown = Overlays(snap_xs=self._guides.snap_xs, snap_ys=self._guides.snap_ys)
        if self.shows_extras and self._generation.run is None:
            is_moving = self._tool is ToolName.MOVE
            selection = bounds_of(doc, self._bridge.session.selection) if is_moving else EMPTY_RECT
            shown = replace(
                shown,
                boxes=_layout_boxes(doc, session.selection, only_users=not is_boxing),
                boxes_editable=is_boxing,
                selection=selection,
            )
        elif self._generation.run is not None:
            shown = replace(shown, boxes=_run_boxes(self._generation.run), boxes_editable=True)
        self._view.set_overlays(shown)

    # ---- news

    def _on_change(self, change: Change) -> None:
        self._pictures.show_profile(change.after.profile)
        if change.origin is Origin.REPLACED:
            self._view.open(change.after)
        else:
            self._view.show_change(change)
        self.refresh()

    def _on_selected(self, _: object) -> None:
        self.refresh()

    def _on_draft(self) -> None:
        if self._tool is ToolName.BOX and not self._is_dragging_draft:
            self._begin_boxes()
            self.refresh()

    def _on_run(self, run: RunView | None) -> None:
        if run is None:
            self._view.end_live()
            self._pictures.forget()
        else:
            for layer in run.planned.walk():  # made ahead, so that the first preview shows what stays
                self._pictures.get(layer)
        self.refresh()

    def _on_preview(self, preview: Preview) -> None:
        run = self._generation.run
        if run is not None:
            image = live_picture(run.planned, preview, self._pictures.get)
            canvas = run.planned.canvas
            self._view.set_live(LivePicture(image, canvas, "Preview, not in the document yet"))


def with_suggested_boxes(planned: Document) -> Document:
    """Return the planned document in which every object has a box to take hold of; suggested ones are not the user's.

    They stand side by side in the lower half, so that each can be reached.
    """
    known = {layer_id for layer_id, _ in boxes(planned)}
    free = [group for group in object_groups(planned) if group.id not in known]
    for place, group in enumerate(free):
        width = min(0.3, 0.84 / len(free))
        x = 0.5 + (place - (len(free) - 1) / 2) * (0.9 / len(free)) - width / 2
        box = BoxF(x, 0.42, width, 0.42)
        planned = SetBox(layer_id=group.id, box=box, is_users=False).apply(planned)
    return planned


def _layout_boxes(
    doc: Document, selection: tuple[LayerId, ...], *, only_users: bool
) -> tuple[LayoutBox, ...]:
    chosen = selected_object(doc, selection)
    out = []
    for layer_id, rect in boxes(doc):
        group = object_group_of(doc, layer_id)
        assert group is not None
        assert group.part is not None
        is_users, is_painted = group.part.box_is_users, not object_rect(group).is_empty
        if only_users and (is_painted or not is_users):
            continue
        name = group.props.name if is_users or is_painted else f"{group.props.name}, drag to place"
        out.append(
            LayoutBox(
                key=layer_id,
                name=name,
                rect=rect,
                is_selected=layer_id == chosen,
                is_users=is_users,
                is_kept=is_kept(group),
            )
        )
    return tuple(out)


def _run_boxes(run: RunView) -> tuple[LayoutBox, ...]:
    """The boxes of the objects in the making, as the engine arranged them."""
    free = run.scope.free_ids | {part.id for part in run.scope.moved}
    out = []
    for layer_id, box in run.boxes:
        layer = run.planned.find(layer_id)
        if layer is not None and layer_id in free:
            out.append(LayoutBox(key=layer_id, name=layer.props.name, rect=box.to_rect(run.planned.size)))
    return tuple(out)
