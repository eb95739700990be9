"""Per-row adapters: each row of a batch is evaluated as if the weights were changed for it alone.

The modules concerned are linear in their weights, so for row i with adapters a of strength s_ia

    y_i = module(x_i; W) + sum_a s_ia module(x_i; dW_a),   dW = scale * up @ down (LoRA, 2106.09685) or a full offset

The second term is computed for the rows concerned only, by hooks: the weights themselves are never touched, so that
detaching restores the network to the bit. Evaluating adapters per batch entry is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from psdstudio.engine.sdxl.adapters_file import Changes, FullOffset, LowRank, ModuleChange
from psdstudio.engine.sdxl.call_slot import CallSlot
from psdstudio.errors import ModelIncompatible

_PREFIX = "text_model."
"""Some versions of transformers keep the text encoder's layers one module deeper."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """Where one adapter acts: `rows` (k,) places in the batch, None for all of them; `values` (k,) not zero."""

    rows: Tensor | None
    values: Tensor


Acting = Mapping[str, Strengths]
"""By adapter, where it acts; one that acts nowhere is left out."""


class RowAdapters:
    """The adapters of one network (a UNet or a text encoder), each acting on rows of a batch as they say.

    The first dimension of what the network's modules are given must be the rows. Outside of `acting` no adapter acts.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._slot: CallSlot[Acting] = CallSlot()
        self._hooks: dict[str, _Hook] = {}
        self._names: dict[str, tuple[str, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the attached adapters."""
        return tuple(self._names)

    def attach(self, name: str, changes: Changes) -> None:
        """Let rows name this adapter. Tensors that want gradients are used as they are, others moved to the network.

        Raises ModelIncompatible, with nothing attached, when a module is not there or has another shape.
        """
        if name in self._names:
            raise ValueError(f"an adapter named {name!r} is attached already")
        found = {path: self._module(name, path) for path in changes}
        for path, module in found.items():
            _check(name, path, module, changes[path])
        for path, module in found.items():
            hook = self._hooks.setdefault(path, _Hook(self._slot))
            hook.add(name, _placed(changes[path], module), module)
        self._names[name] = tuple(found)

    def detach(self, name: str) -> None:
        """Forget an adapter; KeyError when it is not attached."""
        for path in self._names.pop(name):
            if self._hooks[path].remove(name):
                del self._hooks[path]

    def changes(self, name: str) -> dict[str, ModuleChange]:
        """Return what an adapter changes, as it is stored here; KeyError when it is not attached."""
        return {path: self._hooks[path].changes[name] for path in self._names[name]}

    def close(self) -> None:
        """Forget all adapters."""
        for name in self.names:
            self.detach(name)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> None:
        """Move all that wants no gradients. Not needed for the result: what lies elsewhere is copied at each use."""
        for hook in self._hooks.values():
            hook.changes = {name: _moved(change, device, dtype) for name, change in hook.changes.items()}

    def strengths(self, rows: Sequence[Mapping[str, float]], device: torch.device | str) -> Acting:
        """Return where each adapter acts. ValueError when a row names one that is not attached."""
        if unknown := {name for row in rows for name in row} - self._names.keys():
            raise ValueError(f"no adapter is attached under the name {', '.join(sorted(unknown))}")
        acting = {}
        for name in self._names:
            values = [(i, row[name]) for i, row in enumerate(rows) if row.get(name, 0.0) != 0.0]
            if values:
                places = (
                    torch.tensor([i for i, _ in values], device=device) if len(values) < len(rows) else None
                )
                acting[name] = Strengths(places, torch.tensor([value for _, value in values], device=device))
        return acting

    @contextmanager
    def acting(self, acting: Acting) -> Iterator[None]:
        """Let adapters act inside the block, as `strengths` said."""
        with self._slot.entered(acting):
            yield

    def _module(self, name: str, path: str) -> nn.Module:
        for candidate in (path, _PREFIX + path):
            try:
                return self._network.get_submodule(candidate)
            except AttributeError:
                continue
        raise _unfit(name, f"it changes {path}, which this model has not")


class _Hook:
    """What the adapters change of one module; its hook is on the module as long as there is a change."""

    def __init__(self, slot: CallSlot[Acting]) -> None:
        self.changes: dict[str, ModuleChange] = {}
        self._slot = slot
        self._handle: RemovableHandle | None = None

    def add(self, name: str, change: ModuleChange, module: nn.Module) -> None:
        self.changes[name] = change
        if self._handle is None:
            self._handle = module.register_forward_hook(self)

    def remove(self, name: str) -> bool:
        """Return True when no change is left, and the hook is off."""
        del self.changes[name]
        if not self.changes and self._handle is not None:
            self._handle.remove()
        return not self.changes

    def __call__(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        acting = self._slot.value
        if not acting:
            return output
        for name, change in self.changes.items():
            if (strengths := acting.get(name)) is not None:
                _add(output, contribution(module, _chosen(args[0], strengths.rows), change), strengths)
        return output


def _chosen(x: Tensor, rows: Tensor | None) -> Tensor:
    return x if rows is None else x[rows]


def _add(output: Tensor, delta: Tensor, strengths: Strengths) -> None:
    """Add to the rows concerned, in place: the modules concerned make new outputs and need them for no gradient."""
    values = strengths.values.to(delta.dtype).reshape(-1, *[1] * (delta.ndim - 1))
    delta = (delta * values).to(output.dtype)
    if strengths.rows is None:
        output.add_(delta)
    else:
        output.index_add_(0, strengths.rows, delta)


def contribution(module: nn.Module, x: Tensor, change: ModuleChange) -> Tensor:
    """Return `module(x; dW)` for the change `dW` of its weights at strength 1."""
    if isinstance(change, LowRank):
        down, up = (t.to(device=x.device, dtype=x.dtype) for t in (change.down, change.up))
        if isinstance(module, nn.Conv2d):
            inner = _convolved(module, x, down, None)
            return functional.conv2d(inner, up) * change.scale
        return functional.linear(functional.linear(x, down), up) * change.scale
    weight, bias = (
        None if t is None else t.to(device=x.device, dtype=x.dtype) for t in (change.weight, change.bias)
    )
    return _evaluated(module, x, weight, bias)


def _evaluated(module: nn.Module, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    own = module.weight
    if not isinstance(own, Tensor):
        raise TypeError(f"{type(module).__name__} has no weights")
    if weight is None:
        weight = torch.zeros_like(own, device=x.device, dtype=x.dtype)
    match module:
        case nn.Conv2d():
            return _convolved(module, x, weight, bias)
        case nn.Linear():
            return functional.linear(x, weight, bias)
        case nn.LayerNorm():
            return functional.layer_norm(x, module.normalized_shape, weight, bias, module.eps)
        case nn.GroupNorm():
            return functional.group_norm(x, module.num_groups, weight, bias, module.eps)
        case _:
            raise TypeError(f"{type(module).__name__} is not linear in its weights")


def _convolved(module: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    padding: tuple[int, ...] | str = module.padding
    return functional.conv2d(x, weight, bias, module.stride, padding, module.dilation, module.groups)


def fresh_low_rank(
    network: nn.Module,
    paths: Iterable[str],
    *,
    rank: int,
    generator: torch.Generator,
    alpha: float | None = None,
) -> dict[str, LowRank]:
    """Return trainable float32 changes of linear layers that change nothing yet: `down` uniform, `up` zero (LoRA, 4.1).

    Args:
        network: Whose layers they are.
        paths: Of linear layers.
        rank: Of the change.
        generator: On the CPU; makes `down`, in the order of `paths`.
        alpha: The scale is alpha / rank; 1 when None.
    """
    changes = {}
    for path in paths:
        module = network.get_submodule(path)
        if not isinstance(module, nn.Linear):
            raise TypeError(f"{path} is no linear layer")
        bound = module.in_features**-0.5
        down = (torch.rand(rank, module.in_features, generator=generator) * 2 - 1) * bound
        up = torch.zeros(module.out_features, rank, device=module.weight.device)
        changes[path] = LowRank(
            down=down.to(module.weight.device).requires_grad_(),
            up=up.requires_grad_(),
            scale=1.0 if alpha is None else alpha / rank,
        )
    return changes


def _check(name: str, path: str, module: nn.Module, change: ModuleChange) -> None:
    """Raises ModelIncompatible when `change` is not one that the module can have."""
    if not isinstance(module, nn.Linear | nn.Conv2d | nn.LayerNorm | nn.GroupNorm):
        raise _unfit(name, f"it changes {path}, which has no weights of a known kind")
    own = module.weight
    if isinstance(change, FullOffset):
        _check_same(name, f"{path}.weight", own, change.weight)
        _check_same(name, f"{path}.bias", module.bias, change.bias)
        return
    rank = change.down.shape[0]
    if own.ndim not in (2, 4):
        raise _unfit(name, f"it makes a change of low rank to {path}, which has no matrix")
    down, up = (rank, *own.shape[1:]), (own.shape[0], rank, *(1,) * (own.ndim - 2))
    if tuple(change.down.shape) != down or tuple(change.up.shape) != up:
        said = f"{tuple(change.up.shape)} times {tuple(change.down.shape)}"
        raise _unfit(name, f"its change of {path} is {said}, the layer is {tuple(own.shape)}")


def _check_same(name: str, path: str, own: Tensor | None, offset: Tensor | None) -> None:
    if offset is not None and (own is None or own.shape != offset.shape):
        there = "not there" if own is None else str(tuple(own.shape))
        raise _unfit(name, f"its change of {path} is {tuple(offset.shape)}, the layer's is {there}")


def _unfit(name: str, why: str) -> ModelIncompatible:
    return ModelIncompatible(
        f"The adapter “{name}” does not fit this model: {why}.",
        "Use it with the kind of model that it was made for.",
    )


def _placed(change: ModuleChange, module: nn.Module) -> ModuleChange:
    own = module.weight
    if not isinstance(own, Tensor) or own.is_meta:  # its weights lie elsewhere and come when it is used
        return change
    return _moved(change, own.device, own.dtype)


def _moved(change: ModuleChange, device: torch.device | str, dtype: torch.dtype | None) -> ModuleChange:
    def moved(tensor: Tensor) -> Tensor:
        return tensor if tensor.requires_grad else tensor.to(device=device, dtype=dtype or tensor.dtype)

    if isinstance(change, LowRank):
        return replace(change, down=moved(change.down), up=moved(change.up))
    weight, bias = (None if t is None else moved(t) for t in (change.weight, change.bias))
    return FullOffset(weight=weight, bias=bias)
