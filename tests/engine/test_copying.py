"""What the head copies: all of a picture, nothing of it, never where it is not; known pixels are what they are."""

from __future__ import annotations

import pytest
import torch

from psdstudio.engine.copying import copied
from psdstudio.engine.rows import (
    CANVAS_OWN,
    CANVAS_PICTURE,
    CONTEXT_PLATE,
    FOLLOWED,
    GROUPS,
    LOOK_OWN,
    LOOK_PICTURE,
    LOOSE,
    REFERENCE_PLATE,
    THROWN,
    Rows,
)
from tests.engine.toys import rows

pytestmark = pytest.mark.torch


def blank(group: str, px: int = 32) -> Rows:
    made = rows(group, 2, torch.Generator().manual_seed(0), px=px)
    made.plate = torch.zeros_like(made.plate)
    return made


def raw(made: Rows, *taken: float) -> torch.Tensor:
    channels = GROUPS[made.group].channels
    own = torch.rand(
        *made.x.shape[:2], channels, *made.x.shape[3:], generator=torch.Generator().manual_seed(1)
    )
    gates = [torch.full_like(own[:, :, :1], value) for value in taken]
    return torch.cat([own, *gates], dim=2)


@pytest.mark.parametrize("group", ["canvas", "look", "effect"])
def test_with_closed_gates_the_own_colours_are_painted(group: str) -> None:
    made = rows(group, 2, torch.Generator().manual_seed(0))
    made.plate[:, :, CANVAS_OWN if group == "canvas" else LOOK_OWN] = 0.0
    closed = raw(made, *[0.0] * GROUPS[group].copies)
    assert torch.equal(copied(made, closed), closed[:, :, : GROUPS[group].channels])


@pytest.mark.parametrize("group", ["canvas", "look", "effect"])
def test_where_nothing_is_shown_open_gates_change_nothing(group: str) -> None:
    made = blank(group)
    opened = raw(made, *[1.0] * GROUPS[group].copies)
    assert torch.equal(copied(made, opened), opened[:, :, : GROUPS[group].channels])


def test_an_open_gate_copies_the_picture() -> None:
    canvas = blank("canvas")
    canvas.plate[:, :, :3], canvas.plate[:, :, CONTEXT_PLATE - 1] = 0.25, 1.0
    torch.testing.assert_close(copied(canvas, raw(canvas, 1.0, 0.0)), torch.full_like(canvas.x, 0.25))
    canvas.plate[:, :, CANVAS_PICTURE] = torch.tensor([0.5, 0.5, 0.5, 1.0]).view(4, 1, 1)
    torch.testing.assert_close(copied(canvas, raw(canvas, 1.0, 1.0)), torch.full_like(canvas.x, 0.5))
    look = blank("look")
    look.plate[:, :, LOOK_PICTURE] = torch.tensor([0.5, 0.5, 0.5, 1.0]).view(4, 1, 1)
    own = raw(look, 1.0, 1.0)
    made = copied(look, own)
    torch.testing.assert_close(made[:, :, :3], torch.full_like(made[:, :, :3], 0.5))
    assert torch.equal(made[:, :, 3:], own[:, :, 3:4]), "a flat picture has no alpha to copy"
    look = blank("look")
    look.plate[:, :, :REFERENCE_PLATE] = torch.tensor([0.1, 0.2, 0.3, 0.4, FOLLOWED]).view(5, 1, 1)
    made = copied(look, raw(look, 0.0, 1.0))
    torch.testing.assert_close(made, look.plate[:, :, : REFERENCE_PLATE - 1])
    look.plate[:, :, REFERENCE_PLATE - 1] = LOOSE
    own = raw(look, 0.0, 1.0)
    assert torch.equal(copied(look, own), own[:, :, :4]), "what only guides is not copied"
    effect = blank("effect")
    effect.plate[:, :, THROWN, :10] = 1.0
    made = copied(effect, raw(effect, 1.0, 0.0))
    assert (made[:, :, 0, :10] > 0.999).all()
    assert (made[:, :, 0, 10:] < -0.999).all(), "the light throws nothing there"


def test_known_pixels_are_never_painted() -> None:
    canvas, look = blank("canvas"), blank("look")
    canvas.plate[:, :, CANVAS_OWN, :7] = torch.tensor([0.1, 0.2, 0.3, 1.0]).view(4, 1, 1)
    made = copied(canvas, raw(canvas, 0.0, 0.0))
    assert torch.equal(made[:, :, :, :7], canvas.plate[:, :, CANVAS_OWN, :7][:, :, :3])
    look.plate[:, :, LOOK_OWN, 5:9] = torch.tensor([0, 0, 0, 0, -0.4, 1.0]).view(6, 1, 1)
    own = raw(look, 0.0, 0.0)
    made = copied(look, own)
    assert torch.equal(made[:, :, :3], own[:, :, :3]), "of a silhouette the colour is free"
    assert (made[:, :, 3, 5:9] == -0.4).all()
    assert torch.equal(made[:, :, 3, 9:], own[:, :, 3, 9:])


@pytest.mark.parametrize("group", ["canvas", "look", "effect"])
def test_the_last_guess_is_never_copied(group: str) -> None:
    """Copied from step to step, the blur of the first one stays for ever."""
    made = rows(group, 2, torch.Generator().manual_seed(0))
    opened = raw(made, *[1.0] * GROUPS[group].copies)
    before = copied(made, opened)
    made.guess = torch.randn_like(made.guess)
    assert torch.equal(copied(made, opened), before)
