"""Colour spaces: the profiles we write, known conversions, and documents that go from one space to another."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageCms

from psdstudio.core.changes import Change, Origin
from psdstudio.core.colour_commands import AssignProfile, ConvertProfile
from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.layers import PixelLayer
from psdstudio.core.session import Session
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.errors import CommandError, FileUnsupported
from psdstudio.io.colour import (
    adobe_rgb,
    convert_document,
    converted,
    converted_pixels,
    display_p3,
    icc_bytes,
    known_profiles,
    profile_from_icc,
    srgb_profile,
)
from psdstudio.render.compositor import Compositor
from tests.io.documents import DOCUMENTS, noise, scene_document

WIDE = (display_p3(), adobe_rgb())


def one_pixel(*rgb: int) -> U8Array:
    return np.array([[[*rgb, 255]]], np.uint8)


# Apple's ColorSync and Photoshop give these for sRGB's full primaries.
@pytest.mark.parametrize(
    ("profile", "srgb", "wide"),
    [
        (display_p3(), (255, 0, 0), (234, 51, 35)),
        (display_p3(), (0, 255, 0), (117, 251, 76)),
        (display_p3(), (0, 0, 255), (0, 0, 245)),
        (adobe_rgb(), (255, 0, 0), (219, 0, 0)),
        (adobe_rgb(), (0, 255, 0), (144, 255, 60)),
        (adobe_rgb(), (0, 0, 255), (0, 0, 250)),
        (display_p3(), (128, 128, 128), (128, 128, 128)),
        (adobe_rgb(), (128, 128, 128), (127, 127, 127)),
    ],
)
def test_known_colours(profile: ColourProfile, srgb: tuple[int, ...], wide: tuple[int, ...]) -> None:
    found = converted(one_pixel(*srgb), None, profile)[0, 0, :3].astype(int)
    assert np.abs(found - wide).max() <= 1


@pytest.mark.parametrize(
    ("profile", "red_xyz"),
    [(display_p3(), (0.5151, 0.2412, -0.0011)), (adobe_rgb(), (0.60974, 0.31111, 0.01947))],
)
def test_colorants_are_the_published_ones(profile: ColourProfile, red_xyz: tuple[float, ...]) -> None:
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile.icc)).profile
    assert opened.is_matrix_shaper
    assert opened.xcolor_space.strip() == "RGB"
    assert opened.red_colorant is not None
    assert np.allclose(opened.red_colorant[0], red_xyz, atol=2e-4)


@pytest.mark.parametrize("profile", WIDE)
def test_white_and_black_stay_and_alpha_is_not_touched(profile: ColourProfile) -> None:
    ends = np.array([[[255, 255, 255, 7], [0, 0, 0, 200]]], np.uint8)
    assert np.array_equal(converted(ends, None, profile), ends)
    pixels = noise(3, 40, 30)
    assert np.array_equal(converted(pixels, profile, None)[..., 3], pixels[..., 3])


@settings(max_examples=30)
@given(st.integers(0, 999), st.sampled_from(WIDE))
def test_there_and_back_is_the_same_colour(seed: int, profile: ColourProfile) -> None:
    """What is lost is rounding: dark colours lie closer in one curve than in the other, so numbers may differ."""
    pixels = np.random.default_rng(seed).integers(48, 256, (16, 16, 4), np.uint8)
    back = converted(converted(pixels, None, profile), profile, None)
    assert np.abs(back.astype(int) - pixels).max() <= 4


def test_every_known_profile_is_recognised_from_its_bytes() -> None:
    assert [profile_from_icc(icc_bytes(known)) for known in known_profiles()] == list(known_profiles())


def test_another_writers_srgb_is_srgb() -> None:
    twin = bytearray(srgb_profile())
    twin[24:36] = bytes.fromhex("07cf00060003000400050006")  # made on another day
    assert bytes(twin) != srgb_profile()
    assert profile_from_icc(bytes(twin)) is None


@pytest.mark.parametrize(
    "icc",
    [
        b"",
        b"no profile at all" * 20,
        display_p3().icc[:300],
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    ],
)
def test_what_is_no_rgb_profile_is_refused(icc: bytes) -> None:
    with pytest.raises(FileUnsupported, match="profile"):
        profile_from_icc(icc)


@settings(max_examples=15)
@given(DOCUMENTS, st.sampled_from(WIDE))
def test_a_converted_document_is_sound_and_keeps_everything_else(
    document: Document, profile: ColourProfile
) -> None:
    after = convert_document(document, profile)
    assert after.profile == profile
    assert not after.validate()
    for old, new in zip(document.walk(), after.walk(), strict=True):
        assert (old.id, old.props, old.mask) == (new.id, new.props, new.mask)
        if isinstance(old, PixelLayer) and isinstance(new, PixelLayer):
            box = old.pixels.bounds()
            assert new.pixels.bounds() == box
            assert np.array_equal(new.pixels.read(box), converted(old.pixels.read(box), None, profile))


def test_a_converted_scene_looks_the_same() -> None:
    document = scene_document()
    wide = Compositor().render(convert_document(document, display_p3()))
    shown = converted(wide, display_p3(), None).astype(int)
    assert np.abs(shown - Compositor().render(document)).max() <= 6  # multiply works on other numbers


def test_assigning_and_converting_are_steps_that_redraw_everything() -> None:
    document = scene_document()
    session = Session(document)
    change = session.apply(AssignProfile(profile=display_p3()))
    assert change.dirty == (document.canvas,)
    assert session.document.layers is document.layers
    session.undo()
    assert session.document is document
    source = {layer.id: layer.pixels for layer in document.walk() if isinstance(layer, PixelLayer)}
    command = ConvertProfile(
        profile=adobe_rgb(), source=source, pixels=converted_pixels(document, adobe_rgb())
    )
    session.apply(command)
    assert session.document.profile == adobe_rgb()
    assert Compositor().render(session.document).any()
    session.undo()
    assert session.document is document


def test_pixels_of_an_edited_document_are_not_taken_over() -> None:
    document = scene_document()
    source = {layer.id: layer.pixels for layer in document.walk() if isinstance(layer, PixelLayer)}
    command = ConvertProfile(
        profile=display_p3(), source=source, pixels=converted_pixels(document, display_p3())
    )
    bottom = document.layers[0]
    assert isinstance(bottom, PixelLayer)
    edited = document.with_layer(replace(bottom, pixels=TileGrid()))
    with pytest.raises(CommandError, match="changed"):
        command.apply(edited)


def test_nothing_changes_when_the_space_is_the_same() -> None:
    document = scene_document()
    assert convert_document(document, None) is document
    assert AssignProfile(profile=None).apply(document) is document
    assert not Change(document, document, Origin.USER, "").dirty
