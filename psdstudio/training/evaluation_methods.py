"""Ways to paint one scene with the same network: jointly, every row alone, one layer after another, by replacement.

All of them use the engine's own rows, noise and denoising loop; what differs is which other rows a row can see. Boxes
and light are decided beforehand and are the same for all, so that only the appearance path is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from psdstudio.core.geometry import Rect, Size
from psdstudio.engine import frames
from psdstudio.engine.compose import mask_effects, over_composite
from psdstudio.engine.conditions import SceneRows, Words, encode_words, references_of, scene_rows
from psdstudio.engine.delivery import Painted, clean_low, look_picture
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.engine.feed import SceneFeed
from psdstudio.engine.flow import noise_levels, renoised_step
from psdstudio.engine.library import ReferenceLibrary
from psdstudio.engine.network import SceneNet
from psdstudio.engine.pictures import frame_rect, opaque, to_u8
from psdstudio.engine.plates import Parts
from psdstudio.engine.rows import GROUPS, Rows
from psdstudio.engine.sampler import SHIFT, PaintState, sample_appearance
from psdstudio.gen.request import GenerationRequest, ObjectPart, Raster
from psdstudio.gen.text_encoder import TextEncoder

PIXEL_FIELDS = ("x", "guess", "plate", "noise", "index", "box", "words", "word_mask", "known", "present")


@dataclass(frozen=True, slots=True)
class Painter:
    """What paints: network, text encoder, library, edge of a look in pixels."""

    net: SceneNet
    encoder: TextEncoder
    library: ReferenceLibrary
    look_px: int

    @classmethod
    def of(cls, engine: EmbeddedEngine) -> Painter:
        """Take the parts of a loaded engine."""
        net, encoder, library, weights = engine._net, engine._encoder, engine._library, engine._weights  # noqa: SLF001  # the evaluation is the engine's own workshop
        assert net is not None and encoder is not None and library is not None and weights is not None
        return cls(net, encoder, library, weights.look_px)


@dataclass(slots=True)
class Setting:
    """A request with everything decided but the appearance: boxes (k, 4) in square units, light (1, 6)."""

    request: GenerationRequest
    words: Words
    boxes: Tensor
    light: Tensor


@dataclass(slots=True)
class Outcome:
    """A painted scene: its parts (a batch of one, alpha cleaned as for delivery), composite (3, h, w) or None.

    `work`: grid cells times forwards, what was kept included once.
    """

    parts: Parts
    composite: Tensor | None
    work: int

    @property
    def over(self) -> Tensor:
        """The composite of the layers themselves, (3, h, w) in 0..1."""
        placed = [self.parts.placed(i) for i in range(self.parts.boxes.shape[1])]
        return over_composite(self.parts.background, mask_effects(placed))[0]


def setting_of(painter: Painter, request: GenerationRequest, boxes: Tensor, light: Tensor) -> Setting:
    """Encode the words of a request whose boxes and light are decided."""
    return Setting(request, encode_words(request, painter.encoder), boxes, light)


@torch.inference_mode()
def paint_jointly(painter: Painter, setting: Setting) -> Outcome:
    """Paint all free rows together; what the request knows is read clean from keys and values computed once."""
    scene = _scene(painter, setting)
    known, work = None, 0
    if scene.known:
        known = painter.net.know(scene.known, setting.light, setting.words.ground)
        work = sum(cells(rows) for rows in scene.known)
    state = PaintState(scene.free, known, setting.light, setting.words.ground, scene.feed, scene.seeds)
    rows = _denoised(painter, setting, state)
    work += setting.request.sampling.steps * sum(cells(rows) for rows in scene.free)
    return _outcome(scene, setting, rows, work)


@torch.inference_mode()
def paint_alone(painter: Painter, setting: Setting) -> Outcome:
    """Paint every row as if there were no other; the composite too."""
    scene = _scene(painter, setting)
    made: dict[str, Tensor] = {}
    for group in scene.free:
        one_by_one = [
            _row_alone(painter, setting, scene, group, r)[group.group] for r in range(group.x.shape[1])
        ]
        made[group.group] = torch.cat(one_by_one, dim=1)
    work = setting.request.sampling.steps * sum(cells(rows) for rows in scene.free)
    return _outcome(scene, setting, made, work)


@torch.inference_mode()
def paint_in_turn(painter: Painter, setting: Setting) -> Outcome:
    """Paint the background alone, then object after object from the back, each with all earlier ones kept."""
    request, words, size = setting.request, setting.words, setting.request.size
    scene = _scene(painter, setting)
    canvas = next(rows for rows in scene.free if rows.group == "canvas")
    ground = _row_alone(painter, setting, scene, canvas, 1)["canvas"]
    picture = opaque((ground[0, 0] + 1) / 2)
    background = replace(
        request.background, look=Raster(rgba=to_u8(picture), rect=Rect(0, 0, size.width, size.height))
    )
    work, parts = setting.request.sampling.steps * cells(canvas) // 2, scene.feed.kept
    parts.background = picture[None, :3]
    done: list[ObjectPart] = []
    for i, part in enumerate(request.objects):
        upto = Words(words.objects[: i + 1], words.background, words.scene)
        now = replace(request, background=background, objects=(*done, part))
        one = paint_jointly(painter, Setting(now, upto, setting.boxes[: i + 1], setting.light))
        work += one.work
        parts.looks[0, i], parts.effects[0, i] = one.parts.looks[0, i], one.parts.effects[0, i]
        done.append(
            replace(
                part,
                look=_raster(parts.looks[0, i], frames.crop_of(setting.boxes[i]), size),
                shadow=_raster(
                    density_rgba(parts.effects[0, i]), frames.shadow_frame(setting.boxes[i]), size
                ),
                reflection=_raster(parts.effects[0, i, 1:], frames.reflection_frame(setting.boxes[i]), size),
                effects_known=True,
            )
        )
    return Outcome(parts, None, work)


@torch.inference_mode()
def paint_replacing(painter: Painter, setting: Setting, steps: int) -> Outcome:
    """Paint everything jointly, overwriting what is kept at every step by its picture noised to that level.

    RePaint, Lugmayr et al. 2201.09865, eq. 8, without resampling. The network never learns which rows are kept.
    """
    kept = _scene(painter, setting).feed
    request = in_steps(setting, steps).request
    unknown = all_free(replace(setting, request=request))
    scene = _scene(painter, unknown)
    clean = _kept_states(kept)
    state = PaintState(scene.free, None, setting.light, setting.words.ground, scene.feed, scene.seeds)
    levels = noise_levels(steps, shift=SHIFT)
    made: dict[str, Tensor] = {}
    for step, guesses in sample_appearance(
        painter.net, state, steps=steps, guidance=request.sampling.text_guidance
    ):
        made = guesses
        if not levels[step]:
            break
        for rows in scene.free:
            at, true = clean[rows.group]
            rows.x[:, at] = renoised_step(true, state.fresh_noise(rows, step)[:, at], levels[step])
    outcome = _outcome(scene, unknown, made, steps * sum(cells(rows) for rows in scene.free))
    outcome.parts = _with_kept(outcome.parts, kept)
    return outcome


def in_steps(setting: Setting, steps: int) -> Setting:
    """Return the same setting for another number of steps."""
    sampling = replace(setting.request.sampling, steps=steps)
    return replace(setting, request=replace(setting.request, sampling=sampling))


def steps_for(work: int, painter: Painter, setting: Setting) -> int:
    """Return how many steps of `paint_replacing` cost about as much as `work`, at least 1."""
    scene = _scene(painter, all_free(setting))
    return max(1, round(work / sum(cells(rows) for rows in scene.free)))


def all_free(setting: Setting) -> Setting:
    """Return the same setting with nothing kept."""
    request = setting.request
    objects = tuple(
        replace(part, look=None, shadow=None, reflection=None, effects_known=False)
        for part in request.objects
    )
    background = replace(request.background, look=None)
    return replace(setting, request=replace(request, objects=objects, background=background))


def cells(rows: Rows) -> int:
    """Return how many grid cells the network computes for these rows."""
    return rows.x.shape[1] * rows.x.shape[-2] * rows.x.shape[-1] // GROUPS[rows.group].unshuffle ** 2


def only_row(rows: Rows, r: int) -> Rows:
    """Return row r of a group as a group of its own."""
    one = {name: getattr(rows, name)[:, r : r + 1] for name in PIXEL_FIELDS}
    return replace(rows, **one, role=rows.role[r : r + 1])


class UnfedFeed(SceneFeed):
    """Shows nobody anything: a row that is painted alone has no others to see."""

    def go_on(self, groups: Sequence[Rows], guesses: Mapping[str, Tensor], *, last: bool = False) -> None:
        """Leave the plates as they were at the start."""


def density_rgba(effect: Tensor) -> Tensor:
    """Return the shadow of an effect (5, q, q) as black RGBA (4, q, q)."""
    return torch.cat([torch.zeros(3, *effect.shape[1:]), effect[:1]])


def _scene(painter: Painter, setting: Setting) -> SceneRows:
    return scene_rows(
        setting.request,
        setting.words,
        setting.boxes,
        setting.light,
        look_px=painter.look_px,
        references=references_of(setting.request, painter.library),
    )


def _denoised(painter: Painter, setting: Setting, state: PaintState) -> dict[str, Tensor]:
    sampling = setting.request.sampling
    made: dict[str, Tensor] = {}
    for _, guesses in sample_appearance(
        painter.net, state, steps=sampling.steps, guidance=sampling.text_guidance
    ):
        made = guesses
    return made


def _row_alone(painter: Painter, setting: Setting, scene: SceneRows, rows: Rows, r: int) -> dict[str, Tensor]:
    feed = UnfedFeed(scene.feed.kept, scene.feed.free_looks, scene.feed.free_effects)
    seeds = {rows.group: [scene.seeds[rows.group][r]]}
    state = PaintState([only_row(rows, r)], None, setting.light, setting.words.ground, feed, seeds)
    return _denoised(painter, setting, state)


def _outcome(scene: SceneRows, setting: Setting, made: dict[str, Tensor], work: int) -> Outcome:
    """Gather kept and painted parts; alpha and effects are cleaned as delivery does."""
    painted = Painted(scene, made, setting.light, setting.words)
    parts = scene.feed.joined(made)
    for i in scene.feed.free_looks:
        look = look_picture(painted, i)
        assert look is not None
        parts.looks[0, i] = look
    for i in scene.feed.free_effects:
        for channel in (0, 4):
            parts.effects[0, i, channel] = clean_low(parts.effects[0, i, channel])
    canvas = made.get("canvas")
    composite = None if canvas is None else (canvas[0, 0].clamp(-1, 1) + 1) / 2
    return Outcome(parts, composite, work)


def _raster(picture: Tensor, frame: Tensor, size: Size) -> Raster:
    return Raster(rgba=to_u8(picture), rect=frame_rect(frame, size))


def _kept_states(feed: SceneFeed) -> dict[str, tuple[list[int], Tensor]]:
    """Return by group which rows are kept and their clean states in -1..1; row 1 of the canvas is the background."""
    kept = feed.kept
    count = kept.boxes.shape[1]
    looks = [i for i in range(count) if i not in feed.free_looks]
    effects = [i for i in range(count) if i not in feed.free_effects]
    ground = [1] if bool(kept.ground) else []
    return {
        "canvas": (ground, kept.background[:, None][:, : len(ground)] * 2 - 1),
        "look": (looks, kept.looks[:, looks] * 2 - 1),
        "effect": (effects, kept.effects[:, effects] * 2 - 1),
    }


def _with_kept(parts: Parts, feed: SceneFeed) -> Parts:
    """Put the kept pictures back in place of what the network made of them."""
    kept = feed.kept
    shown, cast = kept.shown[..., None, None, None], kept.cast[..., None, None, None]
    return replace(
        parts,
        background=torch.where(kept.ground.view(-1, 1, 1, 1), kept.background, parts.background),
        looks=torch.where(shown, kept.looks, parts.looks),
        effects=torch.where(cast, kept.effects, parts.effects),
    )
