"""Loading Qwen-Image-Layered from a folder in diffusers' layout: offline, safetensors only, strictly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psdstudio.engine.sdxl import libraries  # noqa: F401  # before what it makes offline and quiet

# isort: split
import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageLayeredPipeline,
    QwenImageTransformer2DModel,
)
from safetensors import SafetensorError
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from psdstudio.engine.sdxl.device import GIGABYTE, Backend, ComputeDevice
from psdstudio.errors import ModelError, ModelIncompatible, ModelLoadFailed, ModelNotFound

MAX_JSON_BYTES = 64 * 1024 * 1024
"""Larger than any index of weights or tokenizer file there is."""
WEIGHTS = {
    "text_encoder": "model.safetensors",
    "transformer": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
}
_PARTS: Mapping[str, Any] = {
    "text_encoder": Qwen2_5_VLForConditionalGeneration,
    "transformer": QwenImageTransformer2DModel,
    "vae": AutoencoderKLQwenImage,
}
_ASK = "Download the folder again, complete and in the layout of diffusers, and add it once more."


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A folder of which all files are there.

    Attributes:
        path: Where it is.
        sizes: Bytes of the weight files of each part.
        width: Channels of the network's tokens.
    """

    path: Path
    sizes: Mapping[str, int]
    width: int


def checked_folder(path: Path) -> ModelFolder:
    """Return the folder after looking at its files; no weight is read.

    Raises:
        ModelNotFound: A file is missing; the sentence names it.
        ModelLoadFailed: An index of weights cannot be read.
        ModelIncompatible: The configuration is that of another model.
    """
    if not path.is_dir():
        raise ModelNotFound(
            f"The folder of Qwen-Image-Layered is gone: {path}", "Add it again, or choose another engine."
        )
    for needed in ("scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"):
        _there(path / needed)
    sizes = {
        part: sum(_there(file).stat().st_size for file in _weight_files(path / part)) for part in WEIGHTS
    }
    network, vae = (_json(_there(path / part / "config.json")) for part in ("transformer", "vae"))
    _there(path / "text_encoder" / "config.json")
    layered = network.get("use_layer3d_rope") and network.get("use_additional_t_cond")
    if not layered or network.get("guidance_embeds") or vae.get("input_channels") != 4:
        raise ModelIncompatible(
            f"“{path.name}” is not Qwen-Image-Layered: its network or its encoder knows no layers.",
            "Nothing was loaded. Qwen-Image and Qwen-Image-Edit paint whole pictures only; add the layered model.",
        )
    width = int(network.get("num_attention_heads", 0)) * int(network.get("attention_head_dim", 0))
    return ModelFolder(path=path, sizes=sizes, width=width)


def _weight_files(folder: Path) -> list[Path]:
    whole = folder / WEIGHTS[folder.name]
    index = whole.with_name(f"{whole.name}.index.json")
    if whole.is_file() or not index.is_file():
        return [whole]
    shards = _json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ModelLoadFailed(f"The list of weights {folder.name}/{index.name} is damaged.", _ASK)
    names = sorted({str(name) for name in shards.values()})
    if any(Path(name).name != name for name in names):
        raise ModelLoadFailed(
            f"The list of weights {folder.name}/{index.name} points out of its folder.", _ASK
        )
    return [folder / name for name in names]


def _there(file: Path) -> Path:
    if not file.is_file():
        raise ModelNotFound(f"A file of Qwen-Image-Layered is missing: {file.parent.name}/{file.name}", _ASK)
    return file


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_JSON_BYTES:
            raise ValueError("too large")
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ModelLoadFailed(f"{file.parent.name}/{file.name} cannot be read: {exc}", _ASK) from exc
    if not isinstance(values, dict):
        raise ModelLoadFailed(f"{file.parent.name}/{file.name} holds no settings.", _ASK)
    return values


def check_memory(device: ComputeDevice, sizes: Mapping[str, int], working_bytes: int) -> None:
    """Look at the memory before a weight is read: all of them lie in the computer's own while they are loaded.

    Raises:
        ModelError: It is far too small; the sentence says what is needed and what is there.
    """
    total = sum(sizes.values())
    on_device = working_bytes + (total if device.backend is Backend.CPU else 0)
    if device.host_free_bytes >= total and device.free_bytes >= on_device:
        return
    there = f"{_gb(device.host_free_bytes)} of this computer's memory are free"
    if device.backend is not Backend.CPU:
        there = f"{_gb(device.free_bytes)} of {device.title} and {there}"
    needed = (
        _gb(max(total, on_device)) if device.backend is Backend.CPU else f"{_gb(on_device)} and {_gb(total)}"
    )
    raise ModelError(
        f"Qwen-Image-Layered needs {needed} of memory; {there}.",
        "Nothing was loaded. Close other programs, split the picture with another engine, or use a larger computer.",
    )


def _gb(size: int) -> str:
    return f"{size / GIGABYTE:.1f} GB"


def load_parts(folder: ModelFolder, *, dtype: torch.dtype) -> Iterator[tuple[str, Any]]:
    """Yield the networks one after the other, in the computer's memory and evaluation mode.

    Raises:
        ModelLoadFailed: A file is damaged, or weights are missing in it or of another shape.
    """
    for name, kind in _PARTS.items():
        try:
            module, report = kind.from_pretrained(
                folder.path / name,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError) as exc:
            raise ModelLoadFailed(
                f"The part “{name}” of Qwen-Image-Layered cannot be loaded: {exc}", _ASK
            ) from exc
        missing = sorted(str(key) for key in (*report["missing_keys"], *report["mismatched_keys"]))
        if missing:
            raise ModelLoadFailed(
                f"The part “{name}” of Qwen-Image-Layered lacks {len(missing)} weights, {missing[0]} among them.",
                _ASK,
            )
        yield name, module.eval().requires_grad_(False)


def assembled(folder: ModelFolder, parts: Mapping[str, Any]) -> QwenImageLayeredPipeline:
    """Return the pipeline of these parts.

    Raises:
        ModelLoadFailed: Tokenizer or scheduler cannot be read.
    """
    try:
        tokenizer = Qwen2Tokenizer.from_pretrained(folder.path / "tokenizer", local_files_only=True)
        scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(
            folder.path / "scheduler", local_files_only=True
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ModelLoadFailed(f"The tokenizer of Qwen-Image-Layered cannot be loaded: {exc}", _ASK) from exc
    # The processor would read the picture to write a caption; the user's words are the caption here.
    return QwenImageLayeredPipeline(scheduler=scheduler, tokenizer=tokenizer, processor=None, **parts)
