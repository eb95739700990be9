"""Plates: every row sees the others and never itself; what is kept is seen as it will be composited."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from psdstudio.engine.compose import mask_effects, over_composite
from psdstudio.engine.feed import SceneFeed
from psdstudio.engine.plates import Parts, known_means, look_plate, set_plates, stack_plate
from psdstudio.engine.rows import (
    CANVAS_PICTURE,
    CONTEXT_PLATE,
    COVER,
    GROUPS,
    LOOK_COLOUR,
    REFERENCE_PLATE,
    RowRole,
    Rows,
)
from tests.engine.toys import rows, toy_parts

pytestmark = pytest.mark.torch
AROUND = slice(REFERENCE_PLATE, REFERENCE_PLATE + CONTEXT_PLATE)
BOXES = torch.tensor(
    [[[0.1, 0.2, 0.5, 0.6], [0.4, 0.3, 0.5, 0.6], [0.7, 0.1, 0.4, 0.7]], [[0.3, 0.3, 0.4, 0.4]] * 3]
)


def some_parts() -> Parts:
    return toy_parts(BOXES, 1.25)


def all_rows(parts: Parts) -> list[Rows]:
    """Composite and background, looks and effects of every scene, with plates set."""
    b, k = parts.shown.shape
    out = []
    for group, count in (("canvas", 2), ("look", k), ("effect", k)):
        made = rows(group, count, torch.Generator().manual_seed(1))
        made.x = made.x.expand(b, -1, -1, -1, -1)
        if group == "canvas":
            made.x = made.x.repeat(1, 1, 1, 1, 2)[..., : parts.background.shape[-1]]
        made.plate = torch.zeros(b, count, GROUPS[group].plate, *made.x.shape[-2:])
        made.index = made.index.expand(b, -1)
        out.append(made)
    out[0].role = torch.tensor([int(RowRole.COMPOSITE), int(RowRole.BACKGROUND)])
    set_plates(out, parts, [parts.placed(i) for i in range(k)])
    return out


def test_the_composite_is_shown_what_the_compositor_makes_of_all_parts() -> None:
    parts = some_parts()
    placed = [parts.placed(i) for i in range(3)]
    plate = stack_plate(parts, placed)
    whole = over_composite(parts.background, mask_effects(placed))
    torch.testing.assert_close((plate[:, :3] + 1) / 2, whole, atol=1e-5, rtol=0)
    assert torch.equal(all_rows(parts)[0].plate[:, 0, :CONTEXT_PLATE], plate)


def test_no_row_is_shown_itself() -> None:
    parts = some_parts()
    before = all_rows(parts)
    other = replace(parts, looks=parts.looks.clone(), effects=parts.effects.clone())
    other.looks[:, 1] = 1 - other.looks[:, 1]
    other.effects[:, 1] = 1 - other.effects[:, 1]
    after = all_rows(other)
    assert torch.equal(before[1].plate[:, 1], after[1].plate[:, 1]), "not the look"
    for i in (0, 2):
        assert not torch.equal(before[1].plate[0, i], after[1].plate[0, i]), "its neighbours are shown it"
    assert torch.equal(before[2].plate[:, 0], after[2].plate[:, 0]), "shadows of others have their own look"
    assert not before[0].plate[:, 1].any(), "the background is not shown what hides it"


def test_a_shadow_is_shown_where_the_light_throws_it() -> None:
    parts = toy_parts(torch.tensor([[[0.5, 0.2, 0.2, 0.5]]]), 1.25)
    parts.looks[:, :, 3] = 1.0

    def thrown(light: list[float]) -> torch.Tensor:
        return all_rows(replace(parts, light=torch.tensor([light])))[2].plate[0, 0, 8:10]

    right, left = thrown([1.0, 0.2, -0.8, 0.0, 0.0, 1.0]), thrown([-1.0, 0.2, -0.8, 0.0, 0.0, 1.0])
    assert right.shape[0] == 2
    columns = torch.arange(right.shape[-1], dtype=torch.float32)
    centre = [float((one[0].sum(0) * columns).sum() / one[0].sum()) for one in (left, right)]
    assert centre[0] + 2 < centre[1], "to the side away from the light"
    assert (right[1] <= right[0]).all(), "by heights of at most the whole object"
    assert not thrown([1.0, 0.2, -0.8, 0.0, 0.0, 0.0]).any(), "no light told, no shadow thrown"


def test_what_is_not_there_leaves_no_trace() -> None:
    parts = some_parts()
    hidden = replace(parts, ground=torch.zeros(2).bool(), shown=torch.zeros(2, 3).bool())
    for group in all_rows(hidden):
        assert not group.plate.any()
    assert not known_means(hidden, [hidden.placed(i) for i in range(3)]).any()


def test_means_are_of_what_is_there() -> None:
    parts = some_parts()
    parts.shown[0, 0] = False
    placed = [parts.placed(i) for i in range(3)]
    means = known_means(parts, placed)
    torch.testing.assert_close(means[:, :3], parts.background.mean((2, 3)) * 2 - 1)
    both = placed[1].look[0] + placed[2].look[0]
    torch.testing.assert_close((means[0, 4:7] + 1) / 2, both[:3].mean((1, 2)) / both[3].mean())
    torch.testing.assert_close(means[0, 7], both[3].mean())


def test_the_colour_asked_for_is_a_plate_of_its_own() -> None:
    plate = look_plate(torch.zeros(3, 5, 8, 8), ["a red lantern", "a lantern", "white sofa"])
    assert plate.shape[1] == GROUPS["look"].plate
    colour = plate[:, LOOK_COLOUR]
    assert (colour == colour[..., :1, :1]).all(), "flat"
    assert colour[0, :, 0, 0].tolist() == pytest.approx([0.64, -0.76, -0.76, 1.0], abs=0.01)
    assert not colour[1].any()
    assert (colour[2, :, 0, 0] > 0.9).all()


def test_in_the_last_step_the_composite_is_shown_only_what_is_kept() -> None:
    parts = toy_parts(BOXES[:1], 1.25)
    parts.ground[:] = False
    parts.shown[0, 0] = parts.cast[0, 0] = False
    feed = SceneFeed(parts, [0], [0])
    groups = all_rows(parts)
    guesses = {
        "canvas": torch.zeros(1, 2, 3, 32, 40),
        "look": torch.zeros(1, 1, 4, 32, 32),
        "effect": torch.zeros(1, 1, 5, 16, 16),
    }
    start = groups[0].plate.clone()
    feed.go_on(groups, guesses)
    shown = [rows.plate.clone() for rows in groups]
    assert not torch.equal(shown[0], start)
    feed.go_on(groups, guesses, last=True)
    assert torch.equal(groups[0].plate, start)
    for group, plate in zip(groups[1:], shown[1:], strict=True):
        assert torch.equal(group.plate, plate), "the others go on seeing one another"


def test_free_parts_are_shown_as_guessed_and_kept_ones_as_they_are() -> None:
    parts = some_parts()
    one = replace(
        parts, **{name: getattr(parts, name)[:1] for name in ("background", "ground", "looks", "shown")},
        effects=parts.effects[:1], cast=parts.cast[:1], boxes=parts.boxes[:1], aspect=parts.aspect[:1],
    )  # fmt: skip
    one.shown[0, 2] = one.cast[0, 2] = False
    feed = SceneFeed(one, [2], [2])
    guesses = {"look": torch.full((1, 1, 4, 32, 32), 0.5), "effect": torch.zeros(1, 1, 5, 16, 16)}
    joined = feed.joined(guesses)
    assert joined.shown.all()
    assert joined.cast.all()
    assert torch.equal(joined.looks[:, :2], one.looks[:, :2])
    assert (joined.looks[:, 2] == 0.75).all()
    assert torch.equal(joined.background, one.background)
    for _ in range(2):
        for made, true in zip(feed.placed(joined), [joined.placed(i) for i in range(3)], strict=True):
            assert torch.equal(made.look, true.look)
            assert torch.equal(made.density, true.density)


def test_a_background_cut_out_of_a_picture_is_shown_where_it_is_hidden() -> None:
    parts = some_parts()
    parts.looks[:, :, 3] = 1.0
    groups = all_rows(parts)
    canvas = groups[0]
    assert not canvas.plate[:, 1].any()
    canvas.plate[:, 1, CANVAS_PICTURE] = 0.5
    set_plates(groups, parts, [parts.placed(i) for i in range(3)])
    cover = canvas.plate[:, 1, COVER]
    assert (cover > 0.9).any(), "behind the objects"
    assert not canvas.plate[:, 1, :3].any(), "but not what hides it"
    assert (canvas.plate[:, 1, CANVAS_PICTURE] == 0.5).all()
    hidden = replace(parts, shown=torch.zeros(2, 3).bool())
    set_plates(groups, hidden, [hidden.placed(i) for i in range(3)])
    assert not canvas.plate[:, 1, COVER].any(), "nobody is there yet"
