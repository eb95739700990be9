"""Lists of models for the window's tests: what a user has who can paint photoreal layers, or not quite."""

from __future__ import annotations

import hashlib
from pathlib import Path

from psdstudio.gen.model_files import ModelFile, ModelKind

NEEDED = (
    (ModelKind.SDXL_CHECKPOINT, "juggernaut_xl_ragnarok", 6_938_000_000),
    (ModelKind.TRANSPARENT_DECODER, "vae_transparent_decoder", 208_000_000),
    (ModelKind.TRANSPARENT_LORA, "layer_xl_transparent_attn", 736_000_000),
)
MORE = (
    (ModelKind.SDXL_FOLDER, "stable-diffusion-xl-base-1.0", 6_620_000_000),
    (ModelKind.SDXL_CHECKPOINT, "dreamshaper_xl_v2", 6_938_000_000),
    (ModelKind.TRANSPARENT_ENCODER, "vae_transparent_encoder", 2_400_000),
    (ModelKind.LORA, "Watercolour sketch", 228_000_000),
    (ModelKind.LORA, "Soft studio light with a very long name that goes on", 91_000_000),
    (ModelKind.ACCELERATION, "Hyper-SDXL-8steps-CFG-lora", 787_000_000),
)


def listed(folder: Path, *facts: tuple[ModelKind, str, int]) -> tuple[ModelFile, ...]:
    """Return models of these kinds, titles and sizes; a file of that name is made for each, so that it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_model(folder, kind, title, size) for kind, title, size in facts)


def _model(folder: Path, kind: ModelKind, title: str, size: int) -> ModelFile:
    path = folder / f"{title}.safetensors"
    path.write_bytes(title.encode())
    sha256 = hashlib.sha256(title.encode()).hexdigest()
    return ModelFile(
        kind=kind, path=str(path), sha256=sha256, title=title, size_bytes=size, facts=(("rank", "8"),)
    )
