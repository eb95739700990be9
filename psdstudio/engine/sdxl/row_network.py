"""The UNet with rows: evaluates the rows of a scene together, and remembers what kept rows say to the others.

Wraps a diffusers `UNet2DConditionModel` without changing its weights: attention processors and hooks, taken off again
by `close`. The timestep is a tensor of one value per row, which diffusers expands to the batch as it is; everything
outside attention works on each row by itself. Nothing here knows prompts, schedules or pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from psdstudio.engine.sdxl.adapters_file import Changes
from psdstudio.engine.sdxl.call_slot import CallSlot
from psdstudio.engine.sdxl.cross_attention import (
    CrossCall,
    ImageProjections,
    ImageReading,
    LayerCrossAttention,
    check_maps,
)
from psdstudio.engine.sdxl.joint_attention import (
    JOINT_LEVEL,
    AllRemembered,
    JointCall,
    JointSelfAttention,
    joint_layers,
    readings,
    remembering,
)
from psdstudio.engine.sdxl.layer_embedding import LayerEmbedding
from psdstudio.engine.sdxl.row_adapters import Acting, RowAdapters
from psdstudio.engine.sdxl.rows import KeptMemory, Prediction, RowBatch, RowIdentity, Steering, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluation:
    """All that parts of the UNet must know while it is evaluated."""

    joint: JointCall
    memory: KeptMemory | None
    cross: CrossCall
    acting: Acting
    identities: tuple[RowIdentity, ...]


class RowNetwork:
    """A UNet whose rows see one another in its joint layers; owned by one thread.

    While it is open the UNet cannot be evaluated by itself. Leaving its context, or `close`, restores the UNet.

    Attributes:
        adapters: Of the UNet; rows name them in `RowBatch.adapters`.
        joint_layers: Names of the self-attention modules in which rows see one another, in the order of evaluation.
        embedding: Tells rows apart, or None.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        *,
        wide: bool = False,
        every: int = 1,
        embedding: LayerEmbedding | None = None,
    ) -> None:
        """Open `unet`. Raises ModelIncompatible when rows can meet nowhere in it.

        Args:
            unet: Of the SDXL family, in evaluation mode.
            wide: Rows also meet at half of the latents.
            every: Rows meet in each block (1), in every second, third, ...: the surplus over independent rows falls
                to that share. A trained adapter holds for the `wide` and `every` that it was trained with.
            embedding: Tells the UNet which layer a row is; None: it is not told.
        """
        self.unet: Any = unet
        self.adapters = RowAdapters(unet)
        self.embedding = embedding
        self.joint_layers = joint_layers(
            (name for name, _ in self.unet.named_modules()), wide=wide, every=every
        )
        self._joint: CallSlot[JointCall] = CallSlot()
        self._cross: CallSlot[CrossCall] = CallSlot()
        self._identities: CallSlot[tuple[RowIdentity, ...]] = CallSlot()
        self._evaluation: CallSlot[_Evaluation] = CallSlot()
        self._checkpoints = False
        self._processors_before = dict(self.unet.attn_processors)
        self._cross_layers = {
            name.removesuffix(".processor"): LayerCrossAttention(
                self._cross, watched=name.startswith(JOINT_LEVEL)
            )
            for name in self._processors_before
            if name.endswith(".attn2.processor")
        }
        self._joint_attention = {
            name: JointSelfAttention(self._joint, last=name == self.joint_layers[-1])
            for name in self.joint_layers
        }
        ours: dict[str, Any] = {**self._joint_attention, **self._cross_layers}
        ours = {f"{name}.processor": processor for name, processor in ours.items()}
        self.unet.set_attn_processor(self._processors_before | ours)
        self._hook = self.unet.add_embedding.register_forward_hook(self._add_embedding)

    def __enter__(self) -> RowNetwork:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Restore the UNet: its own attention, no hooks, no adapters."""
        self.adapters.close()
        self._hook.remove()
        self.unet.set_attn_processor(dict(self._processors_before))
        if self._checkpoints:
            self.checkpoint_gradients(on=False)

    @property
    def cross_layers(self) -> tuple[str, ...]:
        """Names of the cross-attention modules, in the order in which IP-Adapter files number them."""
        return tuple(self._cross_layers)

    def attach(self, name: str, changes: Changes) -> None:
        """Let rows name an adapter, see `RowAdapters.attach`."""
        self.adapters.attach(name, changes)

    def detach(self, name: str) -> None:
        """Forget an adapter, see `RowAdapters.detach`."""
        self.adapters.detach(name)

    def attach_images(self, layers: Sequence[ImageProjections]) -> None:
        """Let rows read `RowBatch.image_tokens` through these projections, one per cross-attention layer in order."""
        for processor, images in zip(self._cross_layers.values(), layers, strict=True):
            processor.images = images

    def detach_images(self) -> None:
        """Let no row read image tokens any more."""
        for processor in self._cross_layers.values():
            processor.images = None

    def checkpoint_gradients(self, *, on: bool) -> None:
        """Recompute activations in the backward pass to save memory; the gradients are the same.

        Trap: the UNet's own `enable_gradient_checkpointing` does not put back what the parts must know.
        """
        self._checkpoints = on
        if on:
            self.unet.enable_gradient_checkpointing(self._checkpointed)
        else:
            self.unet.disable_gradient_checkpointing()

    def compile_blocks(self, **options: Any) -> None:
        """Compile the transformer blocks, each kind once for each way of use; `options` are those of torch.compile.

        Trap: compiling the whole UNet is slow, and torch takes no notice of adapters attached later unless told to
        look at hooks, as here. The blocks stay compiled when the network is closed.
        """
        from torch._dynamo import config  # takes a second

        config.skip_nnmodule_hook_guards = False
        self.unet.compile_repeated_blocks(**options)

    def predict(
        self,
        batch: RowBatch,
        *,
        kept: KeptMemory | None = None,
        steering: Steering | None = None,
        watch: Watch | None = None,
        joint: bool = True,
    ) -> Prediction:
        """Return what the network says of `batch`; gradients flow to its tensors, to memory, adapters and embedding.

        Args:
            batch: The rows. Those that are kept read kept rows alone; training has them, sampling remembers them.
            kept: What free rows read besides, in every group.
            steering: Where words may act.
            watch: Whose cross-attention maps to return.
            joint: False: rows do not read one another, only themselves and `kept`.
        """
        rows = _rows_of_group(batch)
        readers = kept.readers if kept is not None else ()
        reading = readings(rows, readers, joint=joint, composite_read=batch.composite_read)
        call = JointCall(groups=batch.groups, readings=reading)
        cross = self._cross_call(batch, steering, watch)
        noise = self._evaluated(batch, call, cross, kept)
        if watch is None:
            return Prediction(noise=noise)
        return Prediction(noise=noise, maps=cross.maps.maps(*check_maps(cross.height, cross.width)))

    def remember(
        self, batch: RowBatch, *, readers: Sequence[int | None] | None = None, clean: bool
    ) -> KeptMemory:
        """Return keys and values of the joint layers of `batch`, one group of kept rows and references.

        Rows that all may read see one another; a row with a reader of its own sees itself alone. Clean rows hold for
        all timesteps, others for theirs, which must be one. ValueError when the batch breaks this.
        """
        readers = (None,) * len(batch.identities) if readers is None else tuple(readers)
        if batch.groups != 1 or len(readers) != len(batch.identities):
            raise ValueError("what is remembered is one group with one reader, or None, for each of its rows")
        timesteps = set(batch.timesteps.tolist())
        if not clean and len(timesteps) > 1:
            raise ValueError("rows that are remembered for one timestep were given several")
        _rows_of_group(batch)
        # Recomputing checkpointed parts would meet the exception again, so with gradients all is evaluated.
        ending = not torch.is_grad_enabled()
        call = JointCall(groups=1, readings=remembering(readers), remembering=True, ending=ending)
        with suppress(AllRemembered):
            self._evaluated(batch, call, self._cross_call(batch, None, None), None)
        remembered = self._take_remembered()
        return KeptMemory(
            keys={name: key for name, (key, _) in remembered.items()},
            values={name: value for name, (_, value) in remembered.items()},
            readers=readers,
            timestep=None if clean else float(timesteps.pop()),
        )

    def _cross_call(self, batch: RowBatch, steering: Steering | None, watch: Watch | None) -> CrossCall:
        height, width = batch.latents.shape[-2:]
        if steering is not None:
            check_maps(height, width)
        return CrossCall(
            height=height,
            width=width,
            weights=steering.weights if steering is not None else None,
            watch=watch,
            images=_image_reading(batch),
        )

    def _take_remembered(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Return what each joint layer stored, and let go of it."""
        taken = {}
        for name, layer in self._joint_attention.items():
            if layer.remembered is not None:
                taken[name], layer.remembered = layer.remembered, None
        return taken

    def _evaluated(
        self, batch: RowBatch, joint: JointCall, cross: CrossCall, memory: KeptMemory | None
    ) -> Tensor:
        acting = self.adapters.strengths(batch.adapters, batch.latents.device)
        evaluation = _Evaluation(
            joint=joint, memory=memory, cross=cross, acting=acting, identities=batch.identities
        )
        with self._entered(evaluation):
            noise: Tensor = self.unet(
                batch.latents,
                batch.timesteps,
                encoder_hidden_states=batch.words,
                added_cond_kwargs={"text_embeds": batch.pooled, "time_ids": batch.time_ids},
                return_dict=False,
            )[0]
        return noise

    @contextmanager
    def _entered(self, evaluation: _Evaluation) -> Iterator[None]:
        with (
            self._evaluation.entered(evaluation),
            self._joint.entered(evaluation.joint),
            self._cross.entered(evaluation.cross),
            self._identities.entered(evaluation.identities),
            self.adapters.acting(evaluation.acting),
            self._reading(evaluation.memory),
        ):
            yield

    @contextmanager
    def _reading(self, memory: KeptMemory | None) -> Iterator[None]:
        before = {name: layer.memory for name, layer in self._joint_attention.items()}
        for name, layer in self._joint_attention.items():
            layer.memory = None if memory is None else (memory.keys[name], memory.values[name])
        try:
            yield
        finally:
            for name, layer in self._joint_attention.items():
                layer.memory = before[name]

    def _checkpointed(self, part: nn.Module, *args: Any) -> Any:
        evaluation = self._evaluation.now

        def again(*inputs: Any) -> Any:
            with self._entered(evaluation):
                return part(*inputs)

        return checkpoint(again, *args, use_reentrant=False)

    def _add_embedding(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if self.embedding is None:
            return output
        told: Tensor = self.embedding(self._identities.now)
        return output + told.to(device=output.device, dtype=output.dtype)


def _rows_of_group(batch: RowBatch) -> tuple[RowIdentity, ...]:
    """Return the identities of one group. ValueError when the parts of the batch do not fit one another."""
    rows = batch.latents.shape[0]
    counts = {len(batch.identities), *(x.shape[0] for x in (batch.timesteps, batch.words, batch.pooled))}
    counts |= {batch.time_ids.shape[0]} | ({len(batch.adapters)} if batch.adapters else set())
    if counts != {rows} or rows % batch.groups:
        raise ValueError(
            f"{rows} rows in {batch.groups} groups do not fit what is said of {sorted(counts)} rows"
        )
    length = rows // batch.groups
    first = batch.identities[:length]
    if batch.identities != first * batch.groups:
        raise ValueError("the groups of a batch must have the same rows in the same order")
    return first


def _image_reading(batch: RowBatch) -> ImageReading | None:
    """Return the rows that have image tokens and a scale for them; None when there are none."""
    if batch.image_tokens is None:
        return None
    scales = torch.tensor(batch.image_scales or (1.0,) * len(batch.identities), device=batch.latents.device)
    rows = (batch.image_tokens.flatten(1).any(1) & (scales != 0)).nonzero()[:, 0]
    if not len(rows):
        return None
    return ImageReading(rows=rows, tokens=batch.image_tokens[rows], scales=scales[rows])
