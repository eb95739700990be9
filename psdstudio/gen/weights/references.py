"""IP-Adapters: what lets SDXL take the look of a layer from a picture (arXiv 2308.06721)."""

from __future__ import annotations

from pathlib import Path

from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.families import SAFE, Family, family_by_width, wrong_base
from psdstudio.gen.weights.inventory import Inventory
from psdstudio.gen.weights.recognised import Recognised

_PROJECTION, _LATENTS, _INPUT = "image_proj.proj.weight", "image_proj.latents", "image_proj.proj_in.weight"


def recognise_ip_adapter(path: Path, inventory: Inventory) -> Recognised | None:
    """Return the IP-Adapter; None for something else.

    Facts: "edition" is "plain" (one linear layer makes the tokens of the pooled state, width "image_width") or "plus"
    (a resampler with learnt queries reads the patches' states, of that width); "tokens" is how many tokens it makes.

    Raises:
        ModelIncompatible: It is for another base, or an edition for faces.
    """
    if not inventory.starts("ip_adapter.") or not inventory.starts("image_proj."):
        return None
    width = next((shape[1] for _, shape in inventory.ending(".to_k_ip.weight") if len(shape) == 2), None)
    if not width:
        return None
    family = family_by_width(width)
    if family not in (None, Family.SDXL):
        raise wrong_base("IP-Adapter", family)
    latents, reads = inventory.shape(_LATENTS), inventory.shape(_INPUT)
    projection = inventory.shape(_PROJECTION)
    is_face = inventory.holds("_lora.") or inventory.holds("image_proj.perceiver_resampler.")
    if latents is not None and reads is not None and len(latents) == 3 and len(reads) == 2 and not is_face:
        edition, tokens, image_width = "plus", latents[1], reads[1]
    elif projection is not None and len(projection) == 2 and projection[0] % width == 0 and not is_face:
        edition, tokens, image_width = "plain", projection[0] // width, projection[1]
    else:
        raise ModelIncompatible(
            "This IP-Adapter is an edition for faces (FaceID or full face), which PSDStudio cannot load.",
            f"{SAFE} Get “ip-adapter_sdxl” or “ip-adapter-plus_sdxl” instead.",
        )
    facts = (
        ("edition", edition),
        ("tokens", str(tokens)),
        ("image_width", str(image_width)),
        ("words_width", str(width)),
        ("numbers", inventory.dtype()),
    )
    return Recognised(kind=ModelKind.IP_ADAPTER, path=path, parts=(inventory,), facts=facts)
