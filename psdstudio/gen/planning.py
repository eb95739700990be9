"""From a document to a request. The other halves of planning are modules of their own:

`structure` builds placeholders from a plan, `scopes` decides what a run will do, `accepting` puts a result
into the document. Their public names are also here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF
from psdstudio.core.layers import LayerId, PixelLayer, Role
from psdstudio.core.parts import is_pinned
from psdstudio.errors import CommandError
from psdstudio.gen.accepting import AcceptResult, acceptance_notes, apply_result
from psdstudio.gen.engine_words import WordsFilter, as_written, known_words
from psdstudio.gen.models import default_sampling
from psdstudio.gen.request import (
    BackgroundPart,
    GenerationRequest,
    ObjectPart,
    PartlyKnown,
    Raster,
    Sampling,
    U8Rgba,
)
from psdstudio.gen.scene_parts import (
    BackgroundView,
    ObjectView,
    own_masks,
    painted_box,
    read_scene,
    render_layer,
)
from psdstudio.gen.scopes import DEFAULT_MAX_OBJECTS, MAX_CANVAS_PX, ObjectScope, Scope, Verb, plan_scope
from psdstudio.gen.structure import InsertObject, new_scene

__all__ = [
    "DEFAULT_MAX_OBJECTS",
    "MAX_CANVAS_PX",
    "AcceptResult",
    "InsertObject",
    "Scope",
    "Verb",
    "acceptance_notes",
    "apply_result",
    "build_request",
    "chosen_sampling",
    "known_words",
    "new_scene",
    "plan_scope",
    "seed_of",
]


def seed_of(seed: int, layer_id: LayerId) -> int:
    """Return the seed of one layer's noise: stable over processes and versions, 0 .. 2**63 - 1."""
    digest = hashlib.sha256(f"{seed}:{layer_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def chosen_sampling(
    engine: str,
    *,
    steps: int | None = None,
    text_guidance: float | None = None,
    layout_guidance: float | None = None,
) -> Sampling:
    """Return an engine's own steps and scales, with those that the user chose (not None) in their place."""
    own = default_sampling(engine)
    return Sampling(
        steps=own.steps if steps is None else steps,
        layout_steps=own.layout_steps,
        text_guidance=own.text_guidance if text_guidance is None else text_guidance,
        layout_guidance=own.layout_guidance if layout_guidance is None else layout_guidance,
    )


def build_request(
    doc: Document,
    scope: Scope,
    *,
    run_id: str,
    seed: int,
    engine: str = "embedded",
    sampling: Sampling | None = None,
    max_objects: int = DEFAULT_MAX_OBJECTS,
    engine_words: WordsFilter = as_written,
    references: Mapping[LayerId, U8Rgba] | None = None,
    picture: Raster | None = None,
) -> GenerationRequest:
    """Return the complete request for a scope that was computed from this very document.

    Known looks are the layers' own pixels at their place, masks applied, never resampled. `sampling` is the engine's
    own unless given. `engine_words` makes of a layer's words what the network reads (`known_words`). `references`:
    pictures that looks follow, by object (`checked_reference`). `picture` is what Verb.SPLIT takes apart.

    Raises:
        StudioError: The run is impossible (`Scope.problem`), or a kept layer shows no pixel.
    """
    if (fault := scope.problem(max_objects=max_objects)) is not None:
        raise fault
    if (picture is not None) != (scope.verb is Verb.SPLIT):
        raise ValueError("a picture is what splitting needs, and nothing else")
    background, by_id = _parts_of(doc, scope)
    partial = {fill.id: fill.known for fill in scope.fills}
    objects = tuple(
        _object_part(
            doc,
            by_id[part.id],
            part,
            seed=seed,
            engine_words=engine_words,
            references=references or {},
            partial=partial.get(part.id),
            use_library=doc.scene.use_library and picture is None,
            redrawn=scope.verb is Verb.NEW_LOOK,
        )
        for part in scope.objects
    )
    keeps_light = scope.background_known or background.layer.id in partial
    background_words = engine_words(background.part.words, Role.BACKGROUND)
    return GenerationRequest(
        run_id=run_id,
        engine=engine,
        size=doc.size,
        seed=seed,
        scene_words=", ".join([part.engine_words for part in objects] + [background_words]),
        background=_background_part(
            doc, background, scope, engine_words=background_words, seed=seed_of(seed, background.layer.id)
        ),
        objects=objects,
        light=doc.scene.light if keeps_light else None,
        picture=picture,
        sampling=sampling or default_sampling(engine),
        profile=doc.profile,
    )


def _parts_of(doc: Document, scope: Scope) -> tuple[BackgroundView, dict[LayerId, ObjectView]]:
    """Return background and objects by id; raises CommandError when they are not those of the scope."""
    view = read_scene(doc)
    by_id = {item.id: item for item in view.objects}
    fits = view.background is not None and view.background.layer.id == scope.background_id
    if view.background is None or not fits or not by_id.keys() >= {part.id for part in scope.objects}:
        raise CommandError("The document changed before the run could start.", "Start it again.")
    return view.background, by_id


def _background_part(
    doc: Document, background: BackgroundView, scope: Scope, *, engine_words: str, seed: int
) -> BackgroundPart:
    look: Raster | None = None
    if scope.background_known:
        # A hidden background is still read: shadows must fall on something.
        look = render_layer(background.layer, background.masks, doc.canvas)
    fill = next((fill for fill in scope.fills if fill.id == background.layer.id), None)
    return BackgroundPart(
        id=background.layer.id,
        engine_words=engine_words,
        seed=seed,
        look=look,
        partial=None if fill is None else fill.known,
        negative_words=background.part.negative,
        loras=background.part.loras,
    )


def _object_part(
    doc: Document,
    item: ObjectView,
    part: ObjectScope,
    *,
    seed: int,
    engine_words: WordsFilter,
    references: Mapping[LayerId, U8Rgba],
    partial: PartlyKnown | None,
    use_library: bool,
    redrawn: bool,
) -> ObjectPart:
    shown: Raster | None = None
    box: BoxF | None = None
    if partial is not None:
        box = BoxF.from_rect(partial.raster.rect, doc.size)
    elif part.look_known or part.outline_known:
        assert item.look is not None  # plan_scope leaves out what is not painted
        shown = render_layer(item.look, item.masks)
        if shown is None:
            raise CommandError(
                f"“{item.name}” has no visible pixel to keep.",
                "Stop keeping it, hide it, or change its mask.",
            )
        box = BoxF.from_rect(shown.rect, doc.size) if part.box_known else None
    elif part.box_known:
        box = item.part.box if item.part.box_is_users else painted_box(doc, item) or item.part.box
    return ObjectPart(
        id=item.id,
        name=item.name,
        engine_words=engine_words(item.words, Role.OBJECT),
        seed=seed_of(seed, item.id),
        box=box,
        look=shown if part.look_known else None,
        silhouette=shown if part.outline_known else None,
        partial=partial,
        shadow=_effect(item.shadow, known=part.effects_known),
        reflection=_effect(item.reflection, known=part.effects_known),
        effects_known=part.effects_known,
        reference=references.get(item.id),
        use_library=use_library,
        follow_reference=item.id in references or not (redrawn and _is_from_library(item)),
        negative_words=item.part.negative,
        loras=item.part.loras,
    )


def _is_from_library(item: ObjectView) -> bool:
    """Whether a library picture stood beside the look; another look is then not the same picture once more."""
    recipe = None if item.look is None or item.look.part is None else item.look.part.recipe
    return recipe is not None and recipe.library_item is not None


def _effect(layer: PixelLayer | None, *, known: bool) -> Raster | None:
    """Return the pixels of a kept effect layer; hidden ones are no condition."""
    if layer is None or not layer.props.visible or not (known or is_pinned(layer)):
        return None
    return render_layer(layer, own_masks(layer))
