"""Documents in other colour spaces: the engine sees and gives sRGB, the document keeps its own numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import LayerId
from psdstudio.gen.planning import Verb, apply_result
from psdstudio.gen.request import GenerationRequest, GenerationResult
from psdstudio.io.colour import adobe_rgb, convert_document, converted, display_p3
from psdstudio.jobs.colours import for_engine, from_engine
from psdstudio.jobs.events import JobFailed, JobFinished
from tests.gen.asking import BASE, erased, made, others, request_of
from tests.gen.scenes import background, group_named
from tests.jobs.harness import inline, script

WIDE = (display_p3(), adobe_rgb())


def finished(request: GenerationRequest) -> GenerationResult:
    """Run a request through a whole runner."""
    with inline(script()) as heard:
        return heard.until(JobFinished, heard.runner.submit(request)).result


@pytest.mark.parametrize("profile", WIDE)
def test_what_is_painted_looks_the_same_in_every_space(profile: ColourProfile) -> None:
    wide = replace(BASE, profile=profile)
    asked = request_of(wide, Verb.REGENERATE_FREE)
    assert asked.profile == profile
    found, plain = finished(asked), made(request_of(BASE, Verb.REGENERATE_FREE))
    assert found.request is asked
    assert found.background is not None
    assert plain.background is not None
    assert np.array_equal(found.background.rgba, converted(plain.background.rgba, None, profile))
    for ours, theirs in zip(found.objects, plain.objects, strict=True):
        assert ours.look is not None
        assert theirs.look is not None
        assert np.array_equal(ours.look.rgba, converted(theirs.look.rgba, None, profile))


@pytest.mark.parametrize("profile", WIDE)
def test_the_engine_is_shown_srgb_and_kept_layers_keep_their_tiles(profile: ColourProfile) -> None:
    doc = convert_document(BASE, profile)
    doc = SetKeep(ids=(background(doc).id, group_named(doc, "swan").id), keep=True).apply(doc)
    asked = request_of(doc, Verb.REGENERATE_FREE)
    shown = for_engine(asked)
    assert shown.profile is None
    assert asked.background.look is not None
    assert shown.background.look is not None
    assert np.array_equal(shown.background.look.rgba, converted(asked.background.look.rgba, profile, None))
    after = apply_result(doc, finished(asked))
    assert after.profile == profile
    kept, painted = others(after, *_ids(after, "flamingo")), others(doc, *_ids(doc, "flamingo"))
    assert all(kept[i] is painted[i] for i in painted)


@pytest.mark.parametrize("profile", WIDE)
def test_known_pixels_of_a_filled_layer_are_the_documents_own(profile: ColourProfile) -> None:
    doc = erased(convert_document(BASE, profile), Rect(10, 12, 20, 9))
    asked = request_of(doc, Verb.FILL_BEHIND)
    known = asked.background.partial
    assert known is not None
    after = apply_result(doc, finished(asked))
    rgba = background(after).pixels.read(after.canvas)
    assert (rgba[..., 3] == 255).all()
    assert np.array_equal(rgba[~known.unknown], known.raster.rgba[~known.unknown])


def test_a_silhouette_is_kept_in_another_space() -> None:
    doc = convert_document(BASE, display_p3())
    asked = request_of(doc, Verb.SAME_OUTLINE, "swan")
    result = finished(asked)
    look = result.objects[0].look
    part = next(part for part in asked.objects if part.id == result.objects[0].id)
    assert look is not None
    assert part.silhouette is not None
    assert np.array_equal(look.rgba[..., 3], part.silhouette.rgba[..., 3])


def test_srgb_documents_are_not_touched() -> None:
    asked = request_of(BASE, Verb.REGENERATE_FREE)
    assert for_engine(asked) is asked
    result = made(asked)
    assert from_engine(result, asked) is result


def test_a_space_that_cannot_be_converted_fails_with_a_sentence() -> None:
    doc = replace(BASE, profile=ColourProfile(name="broken", icc=b"no profile" * 40))
    doc = SetKeep(ids=(background(doc).id,), keep=True).apply(doc)
    with inline(script()) as heard:
        report = heard.until(JobFailed, heard.runner.submit(request_of(doc, Verb.REGENERATE_FREE))).report
    assert "colour profile" in report.message


def _ids(doc: Document, name: str) -> tuple[LayerId, ...]:
    return tuple(child.id for child in group_named(doc, name).children)
