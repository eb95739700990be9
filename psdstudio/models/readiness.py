"""What the photoreal engine still needs among the user's models, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from psdstudio.gen.model_files import ModelFile, ModelKind

BASE_KINDS = (ModelKind.SDXL_FOLDER, ModelKind.SDXL_CHECKPOINT)
_NEEDED: tuple[tuple[tuple[ModelKind, ...], str], ...] = (
    (BASE_KINDS, "An SDXL model is missing: a folder or a checkpoint (.safetensors)."),
    (
        (ModelKind.TRANSPARENT_DECODER,),
        "LayerDiffuse's transparent decoder is missing (vae_transparent_decoder.safetensors).",
    ),
    (
        (ModelKind.TRANSPARENT_LORA, ModelKind.TRANSPARENT_OFFSET),
        "LayerDiffuse's transparent layers for SDXL are missing (layer_xl_transparent_attn.safetensors).",
    ),
)
_OPTIONAL: tuple[tuple[tuple[ModelKind, ...], str], ...] = (
    (
        (ModelKind.TRANSPARENT_ENCODER,),
        "Without LayerDiffuse's transparent encoder (vae_transparent_encoder.safetensors) objects cannot be kept or"
        " changed, only made anew.",
    ),
    (
        (ModelKind.JOINT_ADAPTER,),
        "Without a trained joint adapter, layers share what they show by attention alone.",
    ),
    (
        (ModelKind.IP_ADAPTER,),
        "Without an IP-Adapter for SDXL, a reference picture is followed less closely.",
    ),
)
_ENCODER_OF_PICTURES = (
    "The IP-Adapter needs its image encoder (the folder “image_encoder” that it is published with)."
)


def missing_for_photoreal(models: Iterable[ModelFile]) -> tuple[str, ...]:
    """Return what must be added before photoreal layers can be made; empty when nothing is missing."""
    return _sentences(models, _NEEDED)


def optional_for_photoreal(models: Iterable[ModelFile]) -> tuple[str, ...]:
    """Return what could be added, and what it would be good for."""
    kinds = {model.kind for model in models}
    sentences = [sentence for wanted, sentence in _OPTIONAL if not kinds.intersection(wanted)]
    if ModelKind.IP_ADAPTER in kinds and ModelKind.IMAGE_ENCODER not in kinds:
        sentences.append(_ENCODER_OF_PICTURES)
    return tuple(sentences)


def missing_for_qwen(models: Iterable[ModelFile]) -> tuple[str, ...]:
    """Return what must be added before a picture can be split by Qwen-Image-Layered; empty when nothing is missing."""
    return _sentences(models, (((ModelKind.QWEN_LAYERED,), "The folder of Qwen-Image-Layered is missing."),))


def _sentences(
    models: Iterable[ModelFile], wanted: Iterable[tuple[tuple[ModelKind, ...], str]]
) -> tuple[str, ...]:
    kinds = {model.kind for model in models}
    return tuple(sentence for any_of, sentence in wanted if not kinds.intersection(any_of))
