"""The released two-layer weights of the user, read when a run can use them: Keep for one object and its background."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from psdstudio.core.geometry import Size
from psdstudio.engine.sdxl.canvas import on_canvas
from psdstudio.engine.sdxl.lora_files import read_two_layer
from psdstudio.engine.sdxl.networks import Networks
from psdstudio.engine.sdxl.prompts import SceneText
from psdstudio.engine.sdxl.rows import SceneRow
from psdstudio.engine.sdxl.sampler import SampleOptions, Step
from psdstudio.engine.sdxl.schedules import Schedule
from psdstudio.engine.sdxl.two_layer import (
    STOP_AT,
    Path,
    TwoLayerAdapter,
    applies,
    conditioned,
    sample_two_layers,
)
from psdstudio.gen.model_files import EngineSetup, ModelFile, ModelKind
from psdstudio.gen.request import GenerationRequest

FILES: Mapping[Path, tuple[ModelKind, ModelKind]] = {
    Path.FOREGROUND: (ModelKind.BACKGROUND_TO_BLEND, ModelKind.BLEND_TO_FOREGROUND),
    Path.BACKGROUND: (ModelKind.FOREGROUND_TO_BLEND, ModelKind.BLEND_TO_BACKGROUND),
}
"""By path: the file that makes the blended picture, and the one that makes the free layer from it."""
GREY = 0.5
"""What transparent pictures are flattened on (LayerDiffuse, 2402.17113, released code)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoLayers:
    """The pairs of files that the user has, for one request."""

    files: Mapping[Path, tuple[ModelFile, ModelFile]]
    request: GenerationRequest
    bucket: Size

    def applies(self, rows: Sequence[SceneRow]) -> bool:
        """Whether these rows are two layers of which one is kept, and the user has the files for it."""
        path = applies(rows)
        return path is not None and path in self.files

    def sampled(
        self,
        networks: Networks,
        text: SceneText,
        rows: Sequence[SceneRow],
        schedule: Schedule,
        options: SampleOptions,
    ) -> Generator[Step, None, Tensor]:
        """Make the free layer by the released path; the network is as before when the generator ends or is closed."""
        path = applies(rows)
        assert path is not None, "applies() first"
        kept = self._kept(networks, text.words.device)
        attached: list[str] = []
        try:
            blending, separating = (self._attach(networks, file, attached) for file in self.files[path])
            return (
                yield from sample_two_layers(
                    networks.network,
                    text,
                    rows,
                    schedule,
                    options,
                    blending=blending,
                    separating=separating,
                    kept=kept,
                )
            )
        finally:
            for name in attached:
                networks.network.detach(name)

    def _attach(self, networks: Networks, file: ModelFile, attached: list[str]) -> TwoLayerAdapter:
        makes_transparent = file.kind is ModelKind.BLEND_TO_FOREGROUND
        changes, adapter = conditioned(
            read_two_layer(file, networks.base),
            replaces=frozenset(networks.names.objects) if makes_transparent else frozenset(),
            stop_at=STOP_AT if file.kind is ModelKind.BLEND_TO_BACKGROUND else 1.0,
        )
        networks.network.attach(adapter.name, changes)
        attached.append(adapter.name)
        return adapter

    def _kept(self, networks: Networks, device: torch.device) -> Tensor:
        """Return the latents of the kept layer as an ordinary picture, a transparent one on grey."""
        looks = [self.request.background.look, *(part.look for part in self.request.objects)]
        look = next(look for look in looks if look is not None)
        rgba = on_canvas(look, self.request.size, self.bucket)
        flat = rgba[:3] * rgba[3:] + GREY * (1 - rgba[3:])
        return networks.transparent.encode_opaque(flat[None].to(device))[0]


def two_layers_of(setup: EngineSetup, request: GenerationRequest, bucket: Size) -> TwoLayers | None:
    """Return what the user has of the two-layer weights; None when no pair is complete."""
    files: dict[Path, tuple[ModelFile, ModelFile]] = {}
    for path, (first, second) in FILES.items():
        blending, separating = setup.of_kind(first), setup.of_kind(second)
        if blending and separating:
            files[path] = (blending[0], separating[0])
    return TwoLayers(files=files, request=request, bucket=bucket) if files else None
