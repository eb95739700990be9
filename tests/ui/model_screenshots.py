"""Pictures of the Models dialog and of what a photoreal engine adds: `python -m tests.ui.model_screenshots OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from psdstudio.core.layers import LoraUse
from psdstudio.core.parts import object_groups
from psdstudio.core.prompt_commands import SetLoras, SetNegative
from psdstudio.gen.engine import CostModel
from psdstudio.gen.fake import FakeScript
from psdstudio.gen.models import EMBEDDED_KEY, PHOTOREAL_KEY
from psdstudio.ui import theme
from tests.ui.model_files import MORE, NEEDED, listed
from tests.ui.rig import SENTENCE, Rig, make_rig
from tests.ui.screenshots import Camera, pump, settle

COSTS = CostModel(
    device="NVIDIA RTX 4070 (12 GB)", seconds_fixed=0.6, seconds_per_row_step=0.11, native_pixels=2**20,
    bytes_per_row=2**29, plans=(("all on the GPU", 9 * 2**30), ("model offload", 6 * 2**30)), free_bytes=11 * 2**30,
)  # fmt: skip


def without_models(camera: Camera, rig: Rig) -> None:
    """The empty window, the dialog without models, an error in it, and the reading of a file."""
    window = rig.window
    window.show()
    settle()
    camera.shot("models_none_window", window)
    dialog = window.engine_view.open_models()
    camera.shot("models_none", dialog)
    bad = rig.folder / "model.ckpt"
    bad.write_bytes(b"PK\x03\x04" + bytes(2000))
    window.engine_view.engines.model_list.add(bad)
    pump(lambda: not window.engine_view.engines.model_list.doing)
    camera.shot("models_error", dialog)
    dialog.shelf._on_progress("Reading “juggernaut_xl_ragnarok.safetensors”", 0.37)
    camera.shot("models_reading", dialog)
    dialog.reject()


def with_models(camera: Camera, rig: Rig) -> None:
    """The dialog with all models, photoreal chosen; then the window with that engine."""
    window, engines = rig.window, rig.window.engine_view.engines
    window.show()
    settle()
    camera.shot("models_some_window", window)
    dialog = window.engine_view.open_models()
    dialog.choice.rows[PHOTOREAL_KEY].button.setChecked(True)
    second = dialog.shelf.tree.findItems("dreamshaper_xl_v2", Qt.MatchFlag.MatchRecursive)[0]
    second.setSelected(True)
    camera.shot("models_chosen", dialog)
    dialog.use.click()
    pump(lambda: window.generation.engine is not None)
    assert engines.key == PHOTOREAL_KEY
    window.generation.set_text(SENTENCE)
    pump(lambda: not window.generation.is_reading)
    camera.shot("photoreal_prompt", window)
    window.generation.start()
    pump(lambda: window.generation.run is None)
    settle()
    swan = object_groups(window.bridge.session.document)[0]
    window.bridge.session.select((swan.id,))
    window.bridge.apply(SetNegative(layer_id=swan.id, negative="text, a second beak"))
    uses = (
        LoraUse(title="Watercolour sketch", weight=0.8),
        LoraUse(title="Soft studio light with a very long name that goes on"),
        LoraUse(title="Gone with the old disk", weight=0.35),
    )
    camera.shot("photoreal_negative", window)
    window.bridge.apply(SetLoras(layer_id=swan.id, loras=uses))
    camera.shot("photoreal_properties", window)
    window.resize(900, 540)
    camera.shot("photoreal_small", window)


def main() -> None:
    """Take the pictures."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    out.mkdir(parents=True, exist_ok=True)
    application = QApplication([])
    theme.apply(application)
    camera = Camera(out, sys.argv[2:])
    with make_rig(out / "none", inline=True, engine=EMBEDDED_KEY) as rig:
        without_models(camera, rig)
    models = listed(out / "files", *NEEDED, *MORE)
    notes = ("The flamingo came out empty; try another seed.",)
    with make_rig(
        out / "all", inline=True, models=models, script=FakeScript(costs=COSTS, notes=notes)
    ) as rig:
        with_models(camera, rig)


if __name__ == "__main__":
    main()
