"""Weights on disk: int8 matrices with one fp16 scale per output row, everything else fp16; safetensors only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from psdstudio.engine.detail import DetailConfig, DetailNet
from psdstudio.engine.network import NetConfig, SceneNet
from psdstudio.errors import ModelLoadFailed, ModelNotFound

SCALE = ".scale"
MAX_FILE_BYTES = 200 * 2**20
_HINT = "Install PSDStudio again, or fetch the complete source tree."


@dataclass(frozen=True, slots=True)
class WeightsInfo:
    """What the file says of itself: edge of a look in pixels, training samples per stage, hash of the file."""

    look_px: int
    trained: dict[str, int]
    sha256: str


def save_weights(path: Path, net: SceneNet, *, look_px: int, trained: dict[str, int]) -> None:
    """Write the scene network quantised, see `_packed`."""
    meta = {"config": json.dumps(asdict(net.config)), "look_px": str(look_px), "trained": json.dumps(trained)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(_packed(net.state_dict()), path, metadata=meta)


def save_detail(path: Path, net: DetailNet, *, trained: dict[str, int]) -> None:
    """Write the detail network quantised, see `_packed`."""
    meta = {"config": json.dumps(asdict(net.config)), "trained": json.dumps(trained)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(_packed(net.state_dict()), path, metadata=meta)


def load_weights(path: Path) -> tuple[SceneNet, WeightsInfo]:
    """Read a file written by `save_weights`, strictly. Raises ModelNotFound and ModelLoadFailed, see `_read`."""
    meta, tensors = _read(path)
    with _failing_as_damaged(path):
        net = SceneNet(NetConfig(**json.loads(meta["config"])))
        net.load_state_dict(_expanded(tensors))
        info = WeightsInfo(int(meta["look_px"]), dict(json.loads(meta["trained"])), _sha256(path))
    return net.eval().requires_grad_(False), info


def load_detail(path: Path) -> tuple[DetailNet, str]:
    """Read a file written by `save_detail`, strictly; return the network and the file's SHA-256.

    Raises ModelNotFound and ModelLoadFailed, see `_read`.
    """
    meta, tensors = _read(path)
    with _failing_as_damaged(path):
        net = DetailNet(DetailConfig(**json.loads(meta["config"])))
        net.load_state_dict(_expanded(tensors))
        digest = _sha256(path)
    return net.eval().requires_grad_(False), digest


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the metadata and the stored tensors.

    Raises:
        ModelNotFound: there is no such file.
        ModelLoadFailed: it is damaged or too large.
    """
    if not path.is_file():
        raise ModelNotFound(f"The engine's weights are missing: {path}", _HINT)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ModelLoadFailed(f"The engine's weights are larger than any we ship: {path}", _HINT)
    with _failing_as_damaged(path), safe_open(path, framework="pt") as file:
        return dict(file.metadata()), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a dict


@contextmanager
def _failing_as_damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as exc:
        raise ModelLoadFailed(f"The engine's weights cannot be read: {path}", _HINT) from exc


def _packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Quantise: matrices of 2 and more dimensions with at least 4,096 numbers become int8."""
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.ndim >= 2 and value.numel() >= 4096:
            scale = value.flatten(1).abs().amax(1).clamp(min=1e-8) / 127
            shape = (-1,) + (1,) * (value.ndim - 1)
            tensors[name] = (value / scale.view(shape)).round().clamp(-127, 127).to(torch.int8).contiguous()
            tensors[name + SCALE] = scale.to(torch.float16)
        else:
            tensors[name] = value.to(torch.float16).contiguous()
    return tensors


def _expanded(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.endswith(SCALE):
            continue
        scale = tensors.get(name + SCALE)
        out[name] = value.float()
        if scale is not None:
            out[name] = out[name] * scale.float().view((-1,) + (1,) * (value.ndim - 1))
    return out


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
