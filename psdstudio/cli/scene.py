"""From the words of a command line to placeholders, requests and finished documents."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from psdstudio.cli.documents import save_document
from psdstudio.cli.parts import PartPrompts, named, part_ids, with_prompts
from psdstudio.cli.running import EngineChoice, run_generation
from psdstudio.cli.safety import SafetyCopy
from psdstudio.core.commands import SetBox
from psdstudio.core.document import MAX_SIDE_PX, Document
from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import LayerId
from psdstudio.core.scene import Scene
from psdstudio.core.tiles import U8Array
from psdstudio.errors import CommandError, FileError, PromptError
from psdstudio.gen.drafts import unique_names
from psdstudio.gen.engine_words import words_for
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.plan import Plan, PlannedBackground, PlannedObject
from psdstudio.gen.planner import MAX_CHARACTERS, plan_scene
from psdstudio.gen.planning import (
    Verb,
    acceptance_notes,
    apply_result,
    build_request,
    known_words,
    new_scene,
    plan_scope,
)
from psdstudio.gen.references import checked_reference
from psdstudio.gen.request import Raster, Sampling
from psdstudio.gen.splitting import flat_picture, split_scene
from psdstudio.gen.verbs import Capability
from psdstudio.io.colour import converted
from psdstudio.io.files import probe_target
from psdstudio.io.formats import WriteOptions, Written
from psdstudio.io.images import read_image
from psdstudio.render.compositor import Compositor

MAX_PLANNED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a run needs besides the scene."""

    output: Path
    seed: int
    engine: EngineChoice
    sampling: Sampling
    prompts: PartPrompts = field(default_factory=PartPrompts)
    strip_prompts: bool = False
    references: Mapping[str, Path] = field(default_factory=dict)
    """Pictures that looks follow, by the name of the object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """A finished run: the document as it was saved, and sentences that the user should read."""

    document: Document
    saved: Written
    notes: tuple[str, ...]


def load_lexicon() -> Lexicon:
    """Return the nouns that the shipped engine knows. Raises `ModelNotFound`, `ModelLoadFailed`."""
    return Lexicon.shipped()


def plan_of_sentence(sentence: str, lexicon: Lexicon) -> Plan:
    """Return the planner's proposal. Raises `PromptError` for a sentence that is empty, too long or says nothing."""
    if not sentence.strip():
        raise PromptError(
            "The prompt is empty.", "Describe the scene: “a fox and a lantern in a green meadow”."
        )
    return plan_scene(sentence, lexicon)


def plan_of_parts(background: str, objects: tuple[str, ...]) -> Plan:
    """Return a plan with exactly these layers, back to front; equal words get numbered names.

    Raises:
        PromptError: Words are empty or too long, or there are more layers than anybody can mean.
    """
    for words in (background, *objects):
        if len(words) > MAX_CHARACTERS:
            raise PromptError(
                f"The words of a layer have {len(words):,} characters; at most {MAX_CHARACTERS:,} are possible.",
                "Describe the layer in a sentence.",
            )
    if not all(words.strip() for words in objects):
        raise PromptError("The words of an object are empty.", "Say what it should show.")
    if len(objects) > MAX_PLANNED:
        raise PromptError(f"{len(objects)} objects are too many.", "Name a handful.")
    names = unique_names([" ".join(words.split()) for words in objects])
    return Plan(
        sentence="",
        background=PlannedBackground(words=background, engine_words=background),
        objects=tuple(
            PlannedObject(name=name, noun=words, words=words, engine_words=words)
            for name, words in zip(names, objects, strict=True)
        ),
    )


def new_document(size: Size, *, seed: int, use_library: bool) -> Document:
    """Return an empty document. Raises `CommandError` when the canvas is larger than a document may be."""
    if not (1 <= size.width <= MAX_SIDE_PX and 1 <= size.height <= MAX_SIDE_PX):
        raise CommandError(
            f"A canvas of {size.width:,} × {size.height:,} px is not possible.",
            f"Choose a width and a height from 1 to {MAX_SIDE_PX:,} px.",
        )
    return Document(size=size, scene=Scene(seed=seed, use_library=use_library))


def generate_scene(document: Document, plan: Plan, lexicon: Lexicon, options: RunOptions) -> RunOutcome:
    """Generate every layer of a plan and save the document. Raises `StudioError`; `Cancelled` on Ctrl+C."""
    document = new_scene(document, plan, prompt=plan.sentence or None)
    return _run(document, Verb.GENERATE_SCENE, lexicon, options, notes=_warnings(plan, options))


def regenerate_scene(
    document: Document, keep: tuple[str, ...], lexicon: Lexicon, options: RunOptions
) -> RunOutcome:
    """Generate anew whatever is not kept, and save. Kept are the pins of the file and the names in `keep`."""
    ids = part_ids(document, keep)
    if ids:
        document = SetKeep(ids=ids, keep=True).apply(document)
    return _run(document, Verb.REGENERATE_FREE, lexicon, options, notes=())


def change_parts(
    document: Document, verb: Verb, names: tuple[str, ...], lexicon: Lexicon, options: RunOptions
) -> RunOutcome:
    """Do a verb on the parts with these names (see `part_ids`), and save."""
    ids = part_ids(document, names)
    return _run(document, verb, lexicon, options, notes=(), selection=ids)


def split_picture(
    document: Document, plan: Plan, boxes: Mapping[str, BoxF], lexicon: Lexicon, options: RunOptions
) -> RunOutcome:
    """Split what the document shows into the layers of a plan, and save. `boxes` are by names of the plan's objects.

    Raises:
        CommandError: A box is for no object of the plan, or there is no picture.
    """
    planned, ids = split_scene(document, plan, prompt=plan.sentence or None)
    known = [(thing.name, layer_id) for thing, layer_id in zip(plan.objects, ids, strict=True)]
    for name, box in boxes.items():
        for layer_id in named(name, known):
            planned = SetBox(layer_id=layer_id, box=box).apply(planned)
    picture = flat_picture(document, Compositor().render(document))
    return _run(planned, Verb.SPLIT, lexicon, options, notes=_warnings(plan, options), picture=picture)


def _warnings(plan: Plan, options: RunOptions) -> tuple[str, ...]:
    """Return what the engine does not know; nothing is unknown to one that paints any words."""
    return () if Capability.ANY_WORDS in options.engine.capabilities else plan.warnings()


def _run(
    document: Document,
    verb: Verb,
    lexicon: Lexicon,
    options: RunOptions,
    *,
    notes: tuple[str, ...],
    selection: tuple[LayerId, ...] = (),
    picture: Raster | None = None,
) -> RunOutcome:
    """Build the request, run it, and save what comes of it; a result that cannot be saved is kept for recovery."""
    # Half a minute of work must not end at a folder that cannot be written.
    probe_target(options.output)
    document = with_prompts(document, options.prompts, options.engine.setup.models)
    scope = plan_scope(document, verb, selection)
    references = _references(document, options)
    request = build_request(
        document,
        scope,
        run_id=uuid.uuid4().hex,
        seed=options.seed,
        engine=options.engine.key,
        sampling=options.sampling,
        engine_words=words_for(options.engine.capabilities, known_words(lexicon)),
        references=references,
        picture=picture,
    )
    copy = SafetyCopy(document, options.output)
    try:
        result = run_generation(request, options.engine, persist=copy.store)
        finished = apply_result(document, result)
        saved = _save(finished, options, copy)
    finally:
        copy.close()
    more = (scope.note_text(), *result.notes, *acceptance_notes(document, result), *saved.losses)
    return RunOutcome(document=finished, saved=saved, notes=(*notes, *(note for note in more if note)))


def _references(document: Document, options: RunOptions) -> dict[LayerId, U8Array]:
    """Read the pictures that looks follow, in the document's space. Raises `CommandError`, `FileError`."""
    found: dict[LayerId, U8Array] = {}
    for name, path in options.references.items():
        image = read_image(path)
        rgba = converted(checked_reference(image.rgba), image.profile, document.profile)
        found |= dict.fromkeys(part_ids(document, (name,)), rgba)
    return found


def _save(document: Document, options: RunOptions, copy: SafetyCopy) -> Written:
    try:
        saved = save_document(document, options.output, WriteOptions(strip_prompts=options.strip_prompts))
    except FileError as exc:
        raise type(exc)(exc.user_message, f"{exc.hint} {copy.advice()}".strip()) from exc
    copy.is_needed = False
    return saved
