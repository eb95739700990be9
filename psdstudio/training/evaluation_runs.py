"""One run of the product's own way from a prompt to a layered document, for everything that the evaluation looks at."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.gen.planning import Verb, apply_result, build_request, new_scene, plan_scope
from psdstudio.gen.request import GenerationRequest, GenerationResult, Sampling
from psdstudio.training.evaluation_prompts import Prompt, as_plan

CANVAS = Size(256, 256)


@dataclass(frozen=True, slots=True)
class PaintedPrompt:
    """A prompt and what became of it; `document` has the result in it."""

    prompt: Prompt
    request: GenerationRequest
    result: GenerationResult
    document: Document
    seconds: float


def paint_prompt(
    engine: EmbeddedEngine, prompt: Prompt, *, use_library: bool, sampling: Sampling, size: Size = CANVAS
) -> PaintedPrompt:
    """Generate one prompt as the window does and put it into a document."""
    doc = Document(size=size)
    doc = replace(doc, scene=replace(doc.scene, use_library=use_library))
    doc = new_scene(doc, as_plan(prompt), prompt=prompt.sentence)
    began = time.monotonic()
    request, result = run_verb(engine, doc, Verb.GENERATE_SCENE, prompt.seed, sampling)
    seconds = time.monotonic() - began
    return PaintedPrompt(prompt, request, result, apply_result(doc, result), seconds)


def run_verb(
    engine: EmbeddedEngine, doc: Document, verb: Verb, seed: int, sampling: Sampling
) -> tuple[GenerationRequest, GenerationResult]:
    """Run one verb on the whole document."""
    request = build_request(doc, plan_scope(doc, verb, ()), run_id="eval", seed=seed, sampling=sampling)
    steps = engine.generate(request)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result = stop.value
            assert isinstance(result, GenerationResult)
            return request, result
