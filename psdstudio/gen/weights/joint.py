"""Our own adapter: joint LoRA and layer embeddings, trained by `psdstudio.training.joint_lora`."""

from __future__ import annotations

from pathlib import Path

from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.families import SAFE
from psdstudio.gen.weights.inventory import Inventory
from psdstudio.gen.weights.recognised import Recognised

FORMAT_KEY = "format"
FORMAT = "psdstudio.joint/1"
_FAMILY = FORMAT.partition("/")[0] + "/"
_OURS = "psdstudio."
_MAX_FACTS, _MAX_KEY, _MAX_VALUE = 16, 40, 80


def recognise_joint(path: Path, inventory: Inventory) -> Recognised | None:
    """Return the joint adapter, told by its metadata, whose short entries become facts; None for something else.

    Raises:
        ModelIncompatible: It was written by a newer version, or is another file of a training (a checkpoint, a scene).
    """
    stated = inventory.metadata.get(FORMAT_KEY, "")
    if not stated.startswith(_OURS):
        return None
    if not stated.startswith(_FAMILY):
        raise ModelIncompatible(
            f"“{path.name}” is a file that a training works with, not the adapter that it writes.",
            f"{SAFE} Add the adapter: it lies in the same folder once the training has written one.",
        )
    if stated != FORMAT:
        raise ModelIncompatible(
            "This joint adapter was made by a newer PSDStudio.",
            f"{SAFE} Update PSDStudio, or train it again.",
        )
    short = [
        (key, value)
        for key, value in sorted(inventory.metadata.items())
        if key != FORMAT_KEY
        and len(key) <= _MAX_KEY
        and len(value) <= _MAX_VALUE
        and (key + value).isprintable()
    ]
    facts = (*short[:_MAX_FACTS], ("numbers", inventory.dtype()))
    return Recognised(kind=ModelKind.JOINT_ADAPTER, path=path, parts=(inventory,), facts=facts)
