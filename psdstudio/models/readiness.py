"""What the engines still need among the user's models, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.gen.weights.pairing import reference_pair

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


def missing_for_photoreal(models: Iterable[ModelFile]) -> tuple[str, ...]:
    """Return what must be added before photoreal layers can be made; empty when nothing is missing."""
    return _sentences(models, _NEEDED)


def optional_for_photoreal(models: Iterable[ModelFile]) -> tuple[str, ...]:
    """Return what could be added and what it would be good for, and what of the list is known to fit badly."""
    models = tuple(models)
    return (*_sentences(models, _OPTIONAL), *_of_pairs(models), *_of_bases(models))


def _of_pairs(models: tuple[ModelFile, ...]) -> Iterator[str]:
    kinds = {model.kind for model in models}
    if ModelKind.IP_ADAPTER not in kinds or reference_pair(models) is not None:
        return
    if ModelKind.IMAGE_ENCODER in kinds:
        yield "The IP-Adapter was made for another image encoder than that in the list: add its own."
    else:
        yield "The IP-Adapter needs its image encoder (the folder “image_encoder” that it is published with)."


def _of_bases(models: tuple[ModelFile, ...]) -> Iterator[str]:
    bases = [model for model in models if model.kind in BASE_KINDS]
    for base in bases:
        if (method := base.fact("distilled")) is not None:
            yield (
                f"“{base.title}” is distilled to few steps ({method}); with transparent layers such models are reported"
                " to do badly."
            )
    hashes = {base.sha256 for base in bases}
    for adapter in models:
        trained_on = adapter.fact("base") if adapter.kind is ModelKind.JOINT_ADAPTER else None
        if trained_on is not None and bases and trained_on not in hashes:
            yield f"The joint adapter “{adapter.title}” was trained on another SDXL model than those in the list."


def missing_for_qwen(models: Iterable[ModelFile]) -> tuple[str, ...]:
    """Return what must be added before a picture can be split by Qwen-Image-Layered; empty when nothing is missing."""
    return _sentences(models, (((ModelKind.QWEN_LAYERED,), "The folder of Qwen-Image-Layered is missing."),))


def _sentences(
    models: Iterable[ModelFile], wanted: Iterable[tuple[tuple[ModelKind, ...], str]]
) -> tuple[str, ...]:
    kinds = {model.kind for model in models}
    return tuple(sentence for any_of, sentence in wanted if not kinds.intersection(any_of))
