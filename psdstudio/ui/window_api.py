"""What the actions need of the main window, so that neither module imports the other."""

from __future__ import annotations

from typing import Protocol

from psdstudio.gen.scopes import Verb
from psdstudio.io.formats import ExportFormat
from psdstudio.ui.bridge import SessionBridge
from psdstudio.ui.canvas.controller import CanvasController
from psdstudio.ui.canvas.view import CanvasView
from psdstudio.ui.engine_view import EngineView
from psdstudio.ui.files import Files
from psdstudio.ui.generate.controller import Generation
from psdstudio.ui.layer_edits import LayerEdits
from psdstudio.ui.merging import Merging
from psdstudio.ui.placing import Placing


class Window(Protocol):
    """What the actions need of the main window."""

    bridge: SessionBridge
    generation: Generation
    edits: LayerEdits
    files: Files
    merging: Merging
    placing: Placing
    view: CanvasView
    canvas: CanvasController
    engine_view: EngineView

    @property
    def shows_panels(self) -> bool:
        """Whether the right column is shown."""

    def isFullScreen(self) -> bool:
        """Whether the window fills the screen."""

    def has_layers(self) -> bool:
        """Whether the document has any layer."""

    def has_selection(self) -> bool:
        """Whether a layer is selected."""

    def is_idle(self) -> bool:
        """Whether no run goes on."""

    def undo(self) -> None:
        """Take back one step."""

    def redo(self) -> None:
        """Do one step again."""

    def show_export(self, kind: ExportFormat) -> None:
        """Open the export dialog."""

    def rename_layer(self) -> None:
        """Open the name editor."""

    def run_verb(self, verb: Verb) -> None:
        """Run a verb on the selection."""

    def insert_above(self) -> None:
        """Let the prompt speak of a new object."""

    def focus_prompt(self) -> None:
        """Go to the prompt."""

    def focus_layers(self) -> None:
        """Go to the layers."""

    def focus_next_region(self) -> None:
        """Go round the parts of the window."""

    def toggle_panels(self) -> None:
        """Hide or show the right column."""

    def toggle_extras(self) -> None:
        """Hide or show frames and boxes."""

    def toggle_full_screen(self) -> None:
        """Go to full screen and back."""

    def type_opacity(self, digit: int) -> None:
        """Set opacity by a digit."""

    def type_fill(self, digit: int) -> None:
        """Set fill by a digit."""

    def show_about(self) -> None:
        """Say which PSDStudio and which engine this is."""

    def leave(self) -> None:
        """Close the window."""
