"""Models that are folders in the layout of diffusers and transformers: SDXL, Qwen-Image-Layered, image encoders."""

from __future__ import annotations

import json
from pathlib import Path

from psdstudio.errors import ModelIncompatible, ModelLoadFailed
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.checkpoints import check_widths, distilled, refuse_other_unet, words_width
from psdstudio.gen.weights.families import SAFE, family_by_pipeline, wrong_family
from psdstudio.gen.weights.header import read_header
from psdstudio.gen.weights.image_encoders import recognise_image_encoder
from psdstudio.gen.weights.inventory import INDEX_ENDINGS, Inventory, read_inventory, read_small
from psdstudio.gen.weights.recognised import Recognised

INDEX = "model_index.json"
MAX_CONFIG_BYTES = 2**20
VARIANT = "fp16"
_STEMS = ("diffusion_pytorch_model", "model")
_PART_NAMES = tuple(stem + mark for stem in _STEMS for mark in ".-")
_ENDINGS = (
    ".safetensors",
    INDEX_ENDINGS[0],
    ".fp16.safetensors",
    INDEX_ENDINGS[1],
    ".fp16" + INDEX_ENDINGS[0],
)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_SDXL_PARTS = ("unet", "text_encoder", "text_encoder_2", "vae")
_QWEN_PIPELINE = "QwenImageLayeredPipeline"
_QWEN_PARTS = ("transformer", "text_encoder", "vae")
_QWEN_CONFIGS = ("scheduler", "tokenizer")


def is_model_folder(folder: Path) -> bool:
    """Return whether a folder says that it is one model, rather than a place where models lie."""
    return (folder / INDEX).is_file() or _is_part(folder)


def recognise_folder(folder: Path) -> Recognised:
    """Return the model that a folder is; it is one by `is_model_folder`.

    Raises:
        ModelIncompatible: It is of another family, or a part is missing; the sentence says which.
        ModelLoadFailed, ModelNotFound: A file of it is damaged, missing or a pickle.
    """
    if not (folder / INDEX).is_file():
        inventory = _part(folder.parent, folder.name)
        encoder = recognise_image_encoder(folder, inventory)
        if encoder is not None:
            return encoder
        raise ModelIncompatible(
            f"The folder “{folder.name}” is one part of a model alone.",
            f"{SAFE} Choose the model's whole folder.",
        )
    pipeline = _config(folder / INDEX).get("_class_name")
    name = pipeline if isinstance(pipeline, str) else ""
    if name == _QWEN_PIPELINE:
        return _qwen_layered(folder)
    if (family := family_by_pipeline(name)) is not None:
        raise wrong_family("folder", family)
    if not (folder / "unet").is_dir():
        shown = "".join(letter for letter in name[:60] if letter.isprintable())
        raise ModelIncompatible(
            f"The folder “{folder.name}” has no unet: it is no SDXL model"
            + (f" but one for {shown}." if shown else "."),
            f"{SAFE} Choose SDXL weights, or a model made from them.",
        )
    return _sdxl(folder)


def _sdxl(folder: Path) -> Recognised:
    unet = _part(folder, "unet")
    width, conv_in = words_width(unet), unet.shape("conv_in.weight")
    refuse_other_unet("folder", unet, width, None if conv_in is None or len(conv_in) != 4 else conv_in[1])
    _refuse_missing(folder, (*_SDXL_PARTS, "scheduler"))
    parts = {"unet": unet} | {name: _part(folder, name) for name in _SDXL_PARTS[1:]}
    check_widths(folder, width, _tokens(parts["text_encoder"]), _tokens(parts["text_encoder_2"]))
    if not any(True for _ in parts["text_encoder_2"].ending("text_projection.weight")):
        raise ModelIncompatible(
            f"The text_encoder_2 of “{folder.name}” is not that of SDXL: it has no projection.",
            f"{SAFE} Choose a complete SDXL model.",
        )
    facts = [("words_width", str(width)), ("numbers", unet.dtype())]
    if any(f".{VARIANT}." in file.name for file in unet.files):
        facts.append(("variant", VARIANT))
    prediction = _config(folder / "scheduler" / "scheduler_config.json").get("prediction_type")
    if prediction == "v_prediction":
        facts.append(("prediction", prediction))
    facts += distilled(folder)
    return Recognised(
        kind=ModelKind.SDXL_FOLDER, path=folder, parts=tuple(parts.values()), facts=tuple(facts)
    )


def _qwen_layered(folder: Path) -> Recognised:
    _refuse_missing(folder, (*_QWEN_PARTS, *_QWEN_CONFIGS))
    parts = tuple(_part(folder, name) for name in _QWEN_PARTS)
    return Recognised(
        kind=ModelKind.QWEN_LAYERED, path=folder, parts=parts, facts=(("numbers", parts[0].dtype()),)
    )


def _refuse_missing(folder: Path, names: tuple[str, ...]) -> None:
    missing = [name for name in names if not (folder / name).is_dir()]
    if missing:
        raise ModelIncompatible(
            f"The folder “{folder.name}” has no {' and no '.join(missing)}.",
            f"{SAFE} Download the complete folder of the model.",
        )


def _tokens(encoder: Inventory) -> tuple[int, ...] | None:
    return next((shape for _, shape in encoder.ending("embeddings.token_embedding.weight")), None)


def _is_part(folder: Path) -> bool:
    """Return whether a folder holds one part and nothing else; with other weights beside it, it is searched."""
    if not (folder / "config.json").is_file() or _weights(folder) is None:
        return False
    return all(path.name.startswith(_PART_NAMES) for path in folder.glob("*.safetensors"))


def _weights(folder: Path) -> Path | None:
    """Return the file of a part's weights, or the index of several; the full edition before the fp16 one."""
    names = (stem + ending for ending in _ENDINGS for stem in _STEMS)
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _part(folder: Path, name: str) -> Inventory:
    weights = _weights(folder / name)
    if weights is None:
        _refuse_pickles(folder / name)
        raise ModelIncompatible(
            f"The part {name} of “{folder.name}” has no weights (no .safetensors file).",
            f"{SAFE} Download the complete folder of the model.",
        )
    if not (folder / name / "config.json").is_file():
        raise ModelIncompatible(
            f"The part {name} of “{folder.name}” has no config.json.",
            f"{SAFE} Download the complete folder of the model.",
        )
    return read_inventory(weights)


def _refuse_pickles(folder: Path) -> None:
    """Refuse a part that comes as a pickle only, by what the file is."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in files[:100]:
        if file.suffix in _PICKLES and file.is_file():
            read_header(file)


def _config(path: Path) -> dict[str, object]:
    try:
        table = json.loads(read_small(path, MAX_CONFIG_BYTES))
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise ModelLoadFailed(
            f"“{path.name}” in “{path.parent.name}” cannot be read.", f"{SAFE} Download the folder again."
        )
    return table
