"""Small scenes for the tests of the sampler: tiny tokenizers, text parts and rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.guidance import Guidance
from psdstudio.engine.sdxl.prompts import TextParts, encode_scene
from psdstudio.engine.sdxl.rows import RowIdentity, RowRole, SceneRow
from psdstudio.engine.sdxl.sampler import SampleOptions, Step, sample
from psdstudio.engine.sdxl.schedules import Schedule, Solver
from tests.engine.sdxl.tiny import tiny_text_encoders

SIZE_PX = (128, 128)
LATENT_SHAPE = (4, 16, 16)
STEPS = 4
OPTIONS = SampleOptions(size_px=SIZE_PX, guidance=Guidance(text=5.0))


@cache
def tokenizers() -> tuple[Any, Any]:
    """Return CLIP tokenizers that know ASCII letters, a few merges and the real special tokens."""
    letters = [chr(code) for code in range(33, 127)]
    merges = [("a", "t</w>"), ("c", "at</w>"), ("s", "w"), ("a", "n</w>"), ("sw", "an</w>")]
    words = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges)]
    words += [f"<unused{i}>" for i in range(49406 - len(words))] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    first = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    return first, CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77, pad_token="!")


def text_parts(**changed: Any) -> TextParts:
    """Return tiny text parts."""
    return TextParts(tokenizers=tokenizers(), encoders=tiny_text_encoders(), **changed)


PARTS = text_parts()


def some_latents(seed: int) -> Tensor:
    """Return latents as an encoder might give them."""
    return torch.randn(LATENT_SHAPE, generator=torch.Generator().manual_seed(1000 + seed))


def composite(words: str = "", **said: Any) -> SceneRow:
    """Return the composite's row."""
    return SceneRow(identity=RowIdentity(role=RowRole.COMPOSITE), id=None, words=words, **{"seed": 1, **said})


def background(words: str = "a lake", *, kept: bool = False, **said: Any) -> SceneRow:
    """Return a background's row."""
    identity = RowIdentity(role=RowRole.BACKGROUND, kept=kept)
    return SceneRow(identity=identity, id=LayerId("background"), words=words, **{"seed": 2, **said})


def thing(order: int, words: str, *, kept: bool = False, **said: Any) -> SceneRow:
    """Return an object's row."""
    identity = RowIdentity(role=RowRole.OBJECT, order=order, kept=kept)
    return SceneRow(
        identity=identity, id=LayerId(f"object {order}"), words=words, **{"seed": 10 + order, **said}
    )


def same(a: Tensor, b: Tensor) -> None:
    """Assert that two tensors agree as far as sums of another order do."""
    torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-4)


def left_half() -> Tensor:
    """Return a layout: the left half of the picture."""
    where = torch.zeros(4, 4)
    where[:, :2] = 1
    return where


def run(
    network: Any,
    rows: Sequence[SceneRow],
    options: SampleOptions = OPTIONS,
    *,
    steps: int = STEPS,
    solver: Solver = Solver.EULER,
) -> tuple[Tensor, list[Step]]:
    """Sample a scene; returns all latents and the steps."""
    running = sample(network, encode_scene(PARTS, rows), rows, Schedule(solver=solver, steps=steps), options)
    done: list[Step] = []
    while True:
        try:
            done.append(next(running))
        except StopIteration as stop:
            return stop.value, done
