"""A tiny random network, rows for it, model folders and requests for the embedded engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine.detail import DetailConfig, DetailNet
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.engine.feed import SceneFeed
from psdstudio.engine.network import NetConfig, SceneNet
from psdstudio.engine.plates import Parts
from psdstudio.engine.rows import GROUPS, RowRole, Rows
from psdstudio.engine.weights import save_detail, save_weights
from psdstudio.gen.request import BackgroundPart, GenerationRequest, ObjectPart, Raster, Sampling
from psdstudio.resources_path import resource_dir

TINY = NetConfig(c0=16, c1=32, c2=48, joint_blocks=2, heads=2, c_cond=48)
TINY_DETAIL = DetailConfig(c0=16, c1=16, c2=32, c_out=8, c_cond=16)
TINY_LOOK_PX = 32
FAST = Sampling(steps=2, layout_steps=2)


def tiny_net(seed: int = 0) -> SceneNet:
    """A network whose every part matters: what training starts at zero is random here; float32."""
    torch.manual_seed(seed)
    net = SceneNet(TINY)
    net.uses_bfloat16 = False
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.15)
    return net.eval().requires_grad_(False)


def tiny_detail(seed: int = 0) -> DetailNet:
    """A detail network that changes what it enlarges; float32."""
    torch.manual_seed(seed)
    net = DetailNet(TINY_DETAIL)
    net.uses_bfloat16 = False
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return net.eval().requires_grad_(False)


def rows(
    group: str, count: int, rng: torch.Generator, *, known: bool = False, first_index: int = 1, px: int = 32
) -> Rows:
    """`count` rows of random content for a batch of one scene."""
    spec = GROUPS[group]
    role = {"look": RowRole.LOOK, "effect": RowRole.EFFECT, "canvas": RowRole.COMPOSITE}[group]
    x = torch.randn(1, count, spec.channels, px, px, generator=rng)
    mask = torch.zeros(1, count, 16, dtype=torch.bool)
    mask[..., :5] = True
    return Rows(
        group=group,
        x=x,
        guess=torch.zeros_like(x),
        plate=torch.randn(1, count, spec.plate, px, px, generator=rng),
        seen=torch.randn(1, 8, generator=rng),
        noise=torch.zeros(1, count) if known else torch.full((1, count), 0.7),
        role=torch.full((count,), int(role)),
        index=torch.arange(first_index, first_index + count)[None],
        box=torch.rand(1, count, 4, generator=rng),
        words=torch.randn(1, count, 16, 384, generator=rng),
        word_mask=mask,
        known=torch.full((1, count), known),
        present=torch.ones(1, count, dtype=torch.bool),
    )


def toy_parts(
    boxes: Tensor, aspect: float, *, canvas: tuple[int, int] = (32, 40), px: int = 32, there: bool = True
) -> Parts:
    """Random parts for boxes (b, k, 4) in square units, all there or none."""
    b, k = boxes.shape[:2]
    rng = torch.Generator().manual_seed(b * 100 + k)
    return Parts(
        background=torch.rand(b, 3, *canvas, generator=rng),
        ground=torch.full((b,), there),
        looks=torch.rand(b, k, 4, px, px, generator=rng),
        shown=torch.full((b, k), there),
        effects=torch.rand(b, k, 5, px // 2, px // 2, generator=rng),
        cast=torch.full((b, k), there),
        boxes=boxes,
        aspect=torch.full((b,), aspect),
        light=torch.tensor([[0.6, 0.8, 0.0, 0.0, 0.0, 1.0]]).expand(b, -1),
    )


def toy_feed() -> SceneFeed:
    """A feed of two free objects."""
    boxes = torch.tensor([[[0.2, 0.3, 0.4, 0.5], [0.6, 0.2, 0.3, 0.6]]])
    return SceneFeed(toy_parts(boxes, 1.25, there=False), [0, 1], [0, 1])


def scene(seed: int = 1) -> tuple[list[Rows], list[Rows]]:
    """Known rows (background-like canvas, look, effect) and free ones of the same groups."""
    rng = torch.Generator().manual_seed(seed)
    known = [rows("canvas", 1, rng, known=True, first_index=0), rows("look", 2, rng, known=True)]
    known.append(rows("effect", 1, rng, known=True))
    free = [
        rows("canvas", 2, rng, first_index=0),
        rows("look", 2, rng, first_index=3),
        rows("effect", 3, rng),
    ]
    return known, free


def light_and_ground(seed: int = 2) -> tuple[Tensor, Tensor]:
    """Conditions of the whole scene: (1, 6) and (1, 384)."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(1, 6, generator=rng), torch.randn(1, 384, generator=rng)


def model_folder(folder: Path, seed: int = 0) -> Path:
    """A complete model folder with random weights; text encoder and library are the shipped ones."""
    save_weights(
        folder / "model" / "scene.safetensors", tiny_net(seed), look_px=TINY_LOOK_PX, trained={"objects": 1}
    )
    save_detail(folder / "model" / "detail.safetensors", tiny_detail(seed), trained={"pairs": 1})
    for part in ("text_encoder", "library"):
        (folder / part).symlink_to(resource_dir(part), target_is_directory=True)
    return folder


def loaded(folder: Path) -> EmbeddedEngine:
    """The engine of that folder, ready, in float32 and on one thread."""
    engine = EmbeddedEngine(folder, threads=1)
    assert [event.done for event in engine.load()][-1] == 2
    # The same arithmetic on every machine: bfloat16 is used only where the processor has it.
    for net in (engine._net, engine._detail):
        assert net is not None
        net.float()
        net.uses_bfloat16 = False
    return engine


def part(name: str, seed: int = 11, **more: object) -> ObjectPart:
    """A free object called and worded `name`."""
    return ObjectPart(id=LayerId(name), name=name, engine_words=f"a {name}", seed=seed, **more)  # type: ignore[arg-type]  # names are ObjectPart's own


def request(
    parts: Sequence[ObjectPart],
    *,
    size: Size = Size(64, 48),
    background: Raster | None = None,
    seed: int = 5,
    sampling: Sampling = FAST,
) -> GenerationRequest:
    """A request with these objects over a free (or the given) background."""
    return GenerationRequest(
        run_id="run",
        engine="embedded",
        size=size,
        scene_words=", ".join([p.engine_words for p in parts] + ["calm water"]),
        background=BackgroundPart(
            id=LayerId("background"), engine_words="calm water", seed=seed, look=background
        ),
        objects=tuple(parts),
        sampling=sampling,
        seed=seed,
    )


def picture(rect: Rect, *, seed: int = 3, opaque: bool = False) -> Raster:
    """Random pixels at a place of the canvas."""
    rng = np.random.default_rng(seed)
    rgba = rng.integers(0, 256, (rect.height, rect.width, 4), dtype=np.uint8)
    if opaque:
        rgba[..., 3] = 255
    return Raster(rgba=rgba, rect=rect)


def kept(name: str, rect: Rect, size: Size, *, opaque: bool = True, effects_known: bool = True) -> ObjectPart:
    """An object whose look is known."""
    return part(
        name, look=picture(rect, opaque=opaque), box=BoxF.from_rect(rect, size), effects_known=effects_known
    )
