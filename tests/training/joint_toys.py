"""A tiny base model with LayerDiffuse's files, and folders of documents, for training the joint adapter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from psdstudio.core.geometry import Rect, Size
from psdstudio.io.formats import ExportFormat, export_file
from tests.engine.sdxl.tiny import tiny_unet, write_folder, write_transparent
from tests.strategies import scene_document

CANVAS = Size(128, 128)
WORDS = ("a duck", "a boat", "a lamp", "a kite")


def write_base(folder: Path) -> Path:
    """Write `base` and `layerdiffuse` (both networks, the change of the UNet) into a folder; return it."""
    write_folder(folder / "base")
    write_transparent(folder / "layerdiffuse")
    generator = torch.Generator().manual_seed(0)
    lora = {}
    for path, module in tiny_unet().named_modules():
        if path.endswith(("attn1.to_q", "attn1.to_v")) and isinstance(module, torch.nn.Linear):
            down = torch.randn(2, module.in_features, generator=generator)
            lora[f"unet.{path}.lora_A.weight"] = down
            lora[f"unet.{path}.lora_B.weight"] = (
                torch.randn(module.out_features, 2, generator=generator) * 0.1
            )
    save_file(lora, folder / "layerdiffuse" / "diffuser_layer_xl_transparent_attn.safetensors")
    return folder


def write_documents(folder: Path, count: int, objects: int = 2) -> Path:
    """Write layered PSDs by our own exporter: as many objects each, their places drawn; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    for at in range(count):
        placed = []
        for item in range(objects):
            x, y = (int(value) for value in rng.integers(4, 60, 2))
            placed.append((WORDS[(at + item) % len(WORDS)], Rect(x, y, 48, 40)))
        export_file(scene_document(*placed, size=CANVAS), folder / f"scene-{at}.psd", ExportFormat.PSD)
    return folder


def command(base: Path, out: Path, *words: str) -> list[str]:
    """Return the command line of a short training on tiny networks."""
    return [
        "--base", str(base / "base"), "--layerdiffuse", str(base / "layerdiffuse"), "--out", str(out), "--px", "128",
        "--rank", "2", "--accumulate", "2", "--rate", "1e-3", "--threads", "1", "--cpu", "--objects", "2", *words,
    ]  # fmt: skip
