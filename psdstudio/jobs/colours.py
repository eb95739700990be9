"""Colour at the engine's border: engines paint sRGB, documents may be in another space. Only here it is converted."""

from __future__ import annotations

from dataclasses import replace

from psdstudio.core.colour_profile import ColourProfile
from psdstudio.gen.request import (
    BackgroundPart,
    GenerationRequest,
    GenerationResult,
    ObjectPart,
    ObjectResult,
    PartlyKnown,
    Raster,
)
from psdstudio.io.colour import converted


def for_engine(request: GenerationRequest) -> GenerationRequest:
    """Return the request with all pixels in sRGB; the very same one when they are.

    Raises:
        FileUnsupported: The document's profile cannot be converted from.
    """
    profile = request.profile
    if profile is None:
        return request
    return replace(
        request,
        background=_known_background(request.background, profile),
        objects=tuple(_known_object(part, profile) for part in request.objects),
        picture=_raster(request.picture, profile, None),
        profile=None,
    )


def from_engine(result: GenerationResult, asked: GenerationRequest) -> GenerationResult:
    """Return an sRGB result in the space of the request it was asked with; pixels that were known are those again."""
    profile = asked.profile
    if profile is None:
        return result
    parts = {part.id: part for part in asked.objects}
    return replace(
        result,
        request=asked,
        background=_made(result.background, asked.background.partial, profile),
        objects=tuple(_made_object(made, parts[made.id], profile) for made in result.objects),
        composite=replace(result.composite, rgba=converted(result.composite.rgba, None, profile)),
    )


def _known_background(part: BackgroundPart, profile: ColourProfile) -> BackgroundPart:
    return replace(part, look=_raster(part.look, profile, None), partial=_partial(part.partial, profile))


def _known_object(part: ObjectPart, profile: ColourProfile) -> ObjectPart:
    reference = part.reference
    return replace(
        part,
        look=_raster(part.look, profile, None),
        shadow=_raster(part.shadow, profile, None),
        reflection=_raster(part.reflection, profile, None),
        silhouette=_raster(part.silhouette, profile, None),
        partial=_partial(part.partial, profile),
        reference=None if reference is None else converted(reference, profile, None),
    )


def _made_object(made: ObjectResult, asked: ObjectPart, profile: ColourProfile) -> ObjectResult:
    return replace(
        made,
        look=_made(made.look, asked.partial, profile),
        shadow=_raster(made.shadow, None, profile),
        reflection=_raster(made.reflection, None, profile),
    )


def _made(raster: Raster | None, known: PartlyKnown | None, profile: ColourProfile) -> Raster | None:
    """There and back is not exact in 8 bits: what was given comes from where it was given."""
    made = _raster(raster, None, profile)
    if made is None or known is None:
        return made
    rgba = made.rgba.copy()
    rgba[~known.unknown] = known.raster.rgba[~known.unknown]
    return replace(made, rgba=rgba)


def _partial(known: PartlyKnown | None, profile: ColourProfile) -> PartlyKnown | None:
    if known is None:
        return None
    return replace(known, raster=replace(known.raster, rgba=converted(known.raster.rgba, profile, None)))


def _raster(
    raster: Raster | None, source: ColourProfile | None, target: ColourProfile | None
) -> Raster | None:
    return None if raster is None else replace(raster, rgba=converted(raster.rgba, source, target))
