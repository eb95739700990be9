"""CLIP image encoders, which IP-Adapters read pictures with; in the layout of transformers."""

from __future__ import annotations

import re
from pathlib import Path

from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.families import SAFE
from psdstudio.gen.weights.inventory import Inventory
from psdstudio.gen.weights.recognised import Recognised

_PATCHES, _PROJECTION = "embeddings.patch_embedding.weight", "visual_projection.weight"
_LAYER = re.compile(r"(vision_model\.)?encoder\.layers\.(\d+)\.")
_CONFIG = "config.json"


def recognise_image_encoder(path: Path, inventory: Inventory) -> Recognised | None:
    """Return the image encoder that a file or folder is; None for something else.

    Raises:
        ModelIncompatible: It is one in a layout that cannot be loaded.
    """
    if inventory.shape("visual.conv1.weight") is not None:
        raise ModelIncompatible(
            "This image encoder is in OpenCLIP's layout; PSDStudio loads that of transformers.",
            f"{SAFE} Get the “image_encoder” folder that IP-Adapters are published with.",
        )
    # transformers has dropped and kept the prefix in turn.
    patches = inventory.shape("vision_model." + _PATCHES) or inventory.shape(_PATCHES)
    projection = inventory.shape(_PROJECTION)
    if patches is None or len(patches) != 4:
        return None
    if projection is None or len(projection) != 2:
        raise ModelIncompatible(
            "This image encoder has no projection, which IP-Adapters need.",
            f"{SAFE} Get the “image_encoder” folder that IP-Adapters are published with.",
        )
    folder = path if path.is_dir() else path.parent
    if not (folder / _CONFIG).is_file():
        raise ModelIncompatible(
            f"The image encoder “{path.name}” has no {_CONFIG} beside it, which says how it is built.",
            f"{SAFE} Get the whole “image_encoder” folder that IP-Adapters are published with.",
        )
    layers = {match[2] for name in inventory.shapes if (match := _LAYER.match(name))}
    facts = (
        ("width", str(patches[0])),
        ("layers", str(len(layers))),
        ("projection", str(projection[0])),
        ("numbers", inventory.dtype()),
    )
    return Recognised(kind=ModelKind.IMAGE_ENCODER, path=path, parts=(inventory,), facts=facts)
