"""Reads LoRAs and offsets from the user's files into changes by module, measured against the networks they are for.

Which styles there are says `lora_keys`. Every tensor must find its module and every module its whole set of tensors: a
file that fits in part is for another base, and an adapter that acts in part would be worse than none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from psdstudio.engine.sdxl.adapters_file import AdapterWeights, FullOffset, LowRank, ModuleChange
from psdstudio.engine.sdxl.loading import BaseModel
from psdstudio.engine.sdxl.lora_keys import AdapterKey, Part, Role, adapter_key
from psdstudio.engine.sdxl.single_file import unet_name
from psdstudio.engine.sdxl.tensor_file import (
    AGAIN,
    check_unchanged,
    listed,
    read_metadata,
    read_tensors,
    shape_text,
)
from psdstudio.errors import ModelIncompatible, ModelLoadFailed
from psdstudio.gen.model_files import ModelFile, ModelKind

_OTHER_BASE = "Use it with the model that it was made for, or get its edition for SDXL."
_WIDENED = {
    ModelKind.BACKGROUND_TO_BLEND: 8,
    ModelKind.FOREGROUND_TO_BLEND: 8,
    ModelKind.BLEND_TO_FOREGROUND: 12,
    ModelKind.BLEND_TO_BACKGROUND: 12,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoLayerWeights:
    """A released two-layer model: what it changes of SDXL, and its first convolution, which reads conditions as well.

    Attributes:
        adapter: All changes but those of `conv_in`.
        conv_in: Offset of the widened convolution: weight (320, 8 or 12, 3, 3), to be added to SDXL's own weight in the
            first four channels and to zero in the others, which read one or two conditions; and bias.
    """

    adapter: AdapterWeights
    conv_in: FullOffset

    @property
    def channels(self) -> int:
        """What the widened convolution reads: noisy latents and one or two conditions, four channels each."""
        assert self.conv_in.weight is not None
        return self.conv_in.weight.shape[1]


def read_adapter(model: ModelFile, base: BaseModel) -> AdapterWeights:
    """Read a LoRA or offsets, in the numbers they are stored in, on the CPU.

    Args:
        model: A file of kind LORA, ACCELERATION, TRANSPARENT_LORA or TRANSPARENT_OFFSET.
        base: The networks that are to be changed.

    Raises:
        ModelNotFound, ModelLoadFailed: As `read_tensors`; or half of a pair is missing.
        ModelIncompatible: It is for another base, or of a method that is none of these.
    """
    return _read(model, base, widened=None)


def read_two_layer(model: ModelFile, base: BaseModel) -> TwoLayerWeights:
    """Read one of LayerDiffuse's two-layer files. Raises as `read_adapter`."""
    channels = _WIDENED.get(model.kind)
    if channels is None:
        raise ModelIncompatible(
            f"“{model.title}” is no two-layer model.", "Choose one of LayerDiffuse's files."
        )
    adapter = _read(model, base, widened=channels)
    conv_in = adapter.unet.get("conv_in")
    if not isinstance(conv_in, FullOffset) or conv_in.weight is None or conv_in.weight.shape[1] != channels:
        raise ModelIncompatible(
            f"“{model.title}” does not widen the first convolution to {channels} channels.", AGAIN
        )
    rest = {path: change for path, change in adapter.unet.items() if path != "conv_in"}
    return TwoLayerWeights(adapter=replace(adapter, unet=rest), conv_in=conv_in)


def _read(model: ModelFile, base: BaseModel, *, widened: int | None) -> AdapterWeights:
    path = check_unchanged(model)
    networks = {Part.UNET: base.unet, Part.TEXT_1: base.text_encoders[0], Part.TEXT_2: base.text_encoders[1]}
    indices = {part: _modules_by_flat_name(network) for part, network in networks.items()}
    found: dict[Part, dict[str, _Tensors]] = {part: {} for part in Part}
    strangers: list[str] = []
    for name, tensor in read_tensors(path).items():
        key = adapter_key(name)
        if key is None:
            raise ModelIncompatible(
                f"“{model.title}” changes the model by a method that is not supported (“{name}”).",
                "LoRAs and plain offsets are; get such an edition of it.",
            )
        module = _module_path(key, indices[key.part])
        if module is None:
            strangers.append(name)
            continue
        found[key.part].setdefault(module, _Tensors()).put(key.role, tensor, name=name)
    if strangers or not any(found.values()):
        what = f"it changes {listed(strangers)}" if strangers else "it changes nothing"
        raise ModelIncompatible(f"“{model.title}” does not fit this model: {what}.", _OTHER_BASE)
    scales = _Scales.of(read_metadata(path))
    changes: dict[Part, dict[str, ModuleChange]] = {}
    for part, by_module in found.items():
        changes[part] = {
            module: tensors.change(
                module,
                networks[part].get_submodule(indices[part].real[module]),
                title=model.title,
                scale=scales.scale(part, module),
                widened=widened if (part, module) == (Part.UNET, "conv_in") else None,
            )
            for module, tensors in by_module.items()
        }
    return AdapterWeights(
        name=model.title,
        unet=changes[Part.UNET],
        text_encoders=(changes[Part.TEXT_1], changes[Part.TEXT_2]),
    )


@dataclass(frozen=True, slots=True)
class _Index:
    """Paths of a network's modules with weights: by path with "_" between the parts, and as the network names them."""

    paths: Mapping[str, str]
    real: Mapping[str, str]


def _modules_by_flat_name(network: nn.Module) -> _Index:
    real = {
        name.removeprefix("text_model."): name
        for name, module in network.named_modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter)
    }
    return _Index({path.replace(".", "_"): path for path in real}, real)


def _module_path(key: AdapterKey, index: _Index) -> str | None:
    """Return the path of a key's module, under whichever names and separators the file has; None for no module."""
    flat = key.module.replace(".", "_")
    if key.part is Part.UNET:
        flat = unet_name(flat, separator="_")
    return index.paths.get(flat.removeprefix("text_model_"))


@dataclass(slots=True)
class _Tensors:
    """What a file holds for one module."""

    by_role: dict[Role, Tensor] = field(default_factory=dict)

    def put(self, role: Role, tensor: Tensor, *, name: str) -> None:
        if role in self.by_role:
            raise ModelLoadFailed(f"The file changes one thing twice: {name}.", AGAIN)
        self.by_role[role] = tensor

    def change(
        self, path: str, module: nn.Module, *, title: str, scale: float | None, widened: int | None
    ) -> ModuleChange:
        """Return the change of `module`, whose shape it must have."""
        roles = self.by_role
        down, up, alpha = roles.get(Role.DOWN), roles.get(Role.UP), roles.get(Role.ALPHA)
        weight, bias = roles.get(Role.WEIGHT), roles.get(Role.BIAS)
        if (down is None) != (up is None) or (down is None and alpha is not None):
            raise ModelLoadFailed(f"“{title}” holds half of its change of {path}.", AGAIN)
        if down is not None and up is not None:
            if weight is not None or bias is not None:
                raise ModelIncompatible(f"“{title}” changes {path} in two ways at once.", _OTHER_BASE)
            return _low_rank(
                path, module, down, up, title=title, scale=_scale(title, path, down, alpha, scale)
            )
        own = module.weight
        assert isinstance(own, Tensor)
        expected = own.shape if widened is None else (own.shape[0], widened, *own.shape[2:])
        _check_shape(title, path, weight, expected)
        own_bias = getattr(module, "bias", None)
        _check_shape(title, f"{path} (bias)", bias, () if own_bias is None else own_bias.shape)
        return FullOffset(weight=weight, bias=bias)


def _low_rank(path: str, module: nn.Module, down: Tensor, up: Tensor, *, title: str, scale: float) -> LowRank:
    own = module.weight
    assert isinstance(own, Tensor)
    rank = down.shape[0] if down.ndim else 0
    shapes = (rank, *own.shape[1:]), (own.shape[0], rank, *(1 for _ in own.shape[2:]))
    if own.ndim not in (2, 4) or rank == 0:
        raise _unfit(title, path, down)
    # A matrix for a convolution of one pixel, or the other way round: the same numbers.
    fitting = [_squeezed(tensor, shape) for tensor, shape in zip((down, up), shapes, strict=True)]
    for tensor, shape in zip(fitting, shapes, strict=True):
        _check_shape(title, path, tensor, shape)
    return LowRank(down=fitting[0], up=fitting[1], scale=scale)


def _squeezed(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    plain = tuple(side for side in tensor.shape if side != 1) == tuple(side for side in shape if side != 1)
    return tensor.reshape(shape) if plain and tensor.ndim != len(shape) else tensor


def _check_shape(title: str, path: str, tensor: Tensor | None, shape: tuple[int, ...]) -> None:
    if tensor is not None and tuple(tensor.shape) != tuple(shape):
        raise _unfit(title, path, tensor)


def _unfit(title: str, path: str, tensor: Tensor) -> ModelIncompatible:
    return ModelIncompatible(
        f"“{title}” does not fit this model: its change of {path} is of another size ({shape_text(tensor)}).",
        _OTHER_BASE,
    )


def _scale(title: str, path: str, down: Tensor, alpha: Tensor | None, stated: float | None) -> float:
    """alpha / rank where the file has an alpha of the module, else what its metadata state, else 1."""
    if alpha is None:
        return 1.0 if stated is None else stated
    if alpha.numel() != 1:
        raise ModelLoadFailed(f"“{title}” holds a damaged alpha of {path}.", AGAIN)
    return float(alpha) / down.shape[0]


@dataclass(frozen=True, slots=True)
class _Scales:
    """What the metadata that diffusers writes say of peft's scales; nothing in other files."""

    stated: Mapping[str, Any]

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> _Scales:
        try:
            stated = json.loads(metadata.get("lora_adapter_metadata", "{}"))
        except (ValueError, RecursionError) as exc:
            raise ModelLoadFailed("The notes inside a LoRA's file are damaged.", AGAIN) from exc
        return cls(stated if isinstance(stated, dict) else {})

    def scale(self, part: Part, module: str) -> float | None:
        """Return alpha / rank, or alpha / sqrt(rank) where so trained (rsLoRA, 2312.03732); None when not stated."""
        prefix = {Part.UNET: "unet.", Part.TEXT_1: "text_encoder.", Part.TEXT_2: "text_encoder_2."}[part]
        alpha, rank = self._of(prefix, "lora_alpha", "alpha", module), self._of(prefix, "r", "rank", module)
        if alpha is None or rank is None or rank <= 0 or not math.isfinite(alpha):
            return None
        return alpha / (math.sqrt(rank) if self.stated.get(f"{prefix}use_rslora") is True else rank)

    def _of(self, prefix: str, name: str, pattern: str, module: str) -> float | None:
        patterns = self.stated.get(f"{prefix}{pattern}_pattern")
        value = self.stated.get(f"{prefix}{name}")
        if isinstance(patterns, dict):
            ends = [end for end in patterns if module == end or module.endswith(f".{end}")]
            value = patterns[max(ends, key=len)] if ends else value
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
