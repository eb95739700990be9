"""What a model file or folder is, told by the names and shapes of its tensors; wrong ones are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from psdstudio.errors import ModelIncompatible, ModelLoadFailed, ModelNotFound
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.checkpoints import recognise_checkpoint
from psdstudio.gen.weights.families import SAFE, family_by_names, wrong_family
from psdstudio.gen.weights.folders import is_model_folder, recognise_folder
from psdstudio.gen.weights.image_encoders import recognise_image_encoder
from psdstudio.gen.weights.inventory import Inventory, read_inventory
from psdstudio.gen.weights.joint import recognise_joint
from psdstudio.gen.weights.lora import recognise_lora
from psdstudio.gen.weights.recognised import Recognised
from psdstudio.gen.weights.references import recognise_ip_adapter
from psdstudio.gen.weights.transparency import recognise_decoder, recognise_encoder, recognise_offsets

_QUANTISED = (".quant_state.", ".absmax", ".weight_scale", ".qweight")
# Parts of other programs' models: what is named here is refused by its name instead of as unknown.
_OTHERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "a ControlNet",
        (
            "lora_controlnet",
            "lllite_",
            "controlnet_cond_embedding.",
            "control_model.",
            "input_hint_block.",
            "controlnet_down_blocks.",
        ),
    ),
    ("a VAE alone", ("encoder.down_blocks.", "decoder.up_blocks.", "decoder.up.0.", "first_stage_model.")),
    ("a text encoder alone", ("text_model.encoder.", "encoder.block.0.layer.", "model.layers.0.self_attn.")),
    ("a picture enlarger", ("RDB1.", "rdb1.", "conv_first.")),
    ("the UNet of a model alone", ("input_blocks.0.0.",)),
    ("a textual inversion", ("emb_params", "clip_g", "string_to_param")),
)


def recognise(path: Path, *, kind: ModelKind | None = None) -> Recognised:
    """Return what a file or folder is. Headers are read, no tensor.

    Widths that belong to another published family refuse a model; widths that belong to none pass, if its parts fit
    one another.

    Args:
        path: A safetensors file, the index of several, or a folder that is one model.
        kind: What the user says it is: decides between kinds that tensors do not tell apart, and is held against the
            tensors otherwise.

    Raises:
        ModelNotFound: It is not there, or a file of it is missing.
        ModelLoadFailed: It is cut off, damaged, a pickle, or no model file.
        ModelIncompatible: It is of another family, for another base, incomplete, or unknown.
    """
    try:
        found = _recognised(path, kind)
    except OSError as exc:  # a folder that may not be entered, a name that is too long
        reason = exc.strerror or type(exc).__name__
        raise ModelNotFound(f"“{path}” could not be read ({reason}).", SAFE) from exc
    if kind is not None and found.kind is not kind:
        raise ModelIncompatible(
            f"“{path.name}” is not what you said it is ({kind.value}): it is of the kind “{found.kind.value}”.",
            f"{SAFE} Add it without saying what it is.",
        )
    return found


def _recognised(path: Path, kind: ModelKind | None) -> Recognised:
    if path.is_dir():
        if not is_model_folder(path):
            raise ModelIncompatible(
                f"The folder “{path.name}” is no model: it has neither model_index.json nor weights of its own.",
                f"{SAFE} Choose a model's folder, or a file that ends in .safetensors.",
            )
        return recognise_folder(path)
    if not path.exists():
        raise ModelNotFound(
            f"There is no file “{path}”.", "Check the name; it may have been moved or renamed."
        )
    if not path.is_file():
        raise ModelLoadFailed(f"“{path.name}” is not a file.", "Choose a file that ends in .safetensors.")
    return recognise_tensors(path, read_inventory(path), kind)


def recognise_tensors(path: Path, inventory: Inventory, kind: ModelKind | None = None) -> Recognised:
    """Return what a file is of which the tensors are known already; `path` gives its name. Raises ModelIncompatible."""
    if inventory.holds(*_QUANTISED):
        raise ModelIncompatible(
            f"“{path.name}” is a compressed (quantised) edition, which PSDStudio cannot load.",
            f"{SAFE} Get the edition in fp16.",
        )
    for attempt in _attempts(path, inventory, kind):
        if (found := attempt()) is not None:
            return found
    raise _unknown(path, inventory)


def _attempts(
    path: Path, inventory: Inventory, kind: ModelKind | None
) -> tuple[Callable[[], Recognised | None], ...]:
    # Our own first (it holds LoRA keys), then whole models, then what changes one: the looser the signs, the later.
    return (
        lambda: recognise_joint(path, inventory),
        lambda: recognise_checkpoint(path, inventory),
        lambda: recognise_encoder(path, inventory, kind),
        lambda: recognise_decoder(path, inventory, kind),
        lambda: recognise_ip_adapter(path, inventory),
        lambda: recognise_image_encoder(path, inventory),
        lambda: recognise_lora(path, inventory, kind),
        lambda: recognise_offsets(path, inventory, kind),
    )


def _unknown(path: Path, inventory: Inventory) -> ModelIncompatible:
    if (family := family_by_names(inventory)) is not None:
        return wrong_family("file", family)
    for what, signs in _OTHERS:
        if inventory.holds(*signs):
            return ModelIncompatible(
                f"“{path.name}” is {what}; PSDStudio has no use for it.",
                f"{SAFE} Choose SDXL weights, LayerDiffuse's files, LoRAs or IP-Adapters.",
            )
    return ModelIncompatible(
        f"“{path.name}” is a safetensors file, but none of the models that PSDStudio knows.",
        f"{SAFE} Choose SDXL weights, LayerDiffuse's files, LoRAs or IP-Adapters.",
    )
