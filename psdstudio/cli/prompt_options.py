"""The options of a run that say how to paint: negative words and LoRAs of single parts, steps and scales."""

from __future__ import annotations

import argparse
import math

from psdstudio.cli.parts import ALL, PartPrompts
from psdstudio.cli.running import EngineChoice
from psdstudio.core.layers import LoraUse
from psdstudio.core.prompt_commands import MAX_LORA_WEIGHT
from psdstudio.errors import ModelIncompatible
from psdstudio.gen.catalogue import engine_card
from psdstudio.gen.planning import chosen_sampling
from psdstudio.gen.request import Sampling
from psdstudio.gen.verbs import Capability

MAX_STEPS = 200
MAX_GUIDANCE = 50.0


def add_prompt_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("how it is painted", "NAME is an object, “background” or “all”.")
    group.add_argument(
        "--negative", action="append", type=_negative, default=[], metavar="[NAME=]TEXT",
        help="what must not be there, in one part or (without NAME=) in all of them; repeatable",
    )  # fmt: skip
    group.add_argument(
        "--lora", action="append", type=_lora, default=[], metavar="NAME=TITLE[:WEIGHT]",
        help="a LoRA of the list of models for a part, with a weight from 0 to 2 (default 1); repeatable",
    )  # fmt: skip
    group.add_argument(
        "--guidance", type=_scale, default=None, metavar="X",
        help="how closely words are followed (default: the engine's own)",
    )  # fmt: skip
    group.add_argument(
        "--layout-guidance", type=_scale, default=None, metavar="X",
        help="how closely boxes are followed (default: the engine's own)",
    )  # fmt: skip
    group.add_argument(
        "--steps", type=_steps, default=None, metavar="N", help="denoising steps (default: the engine's own)"
    )


def prompts_of(arguments: argparse.Namespace, engine: EngineChoice) -> PartPrompts:
    """Return what is said of parts.

    Raises:
        ModelIncompatible: The engine would not read it.
    """
    card = engine_card(engine.key)
    for given, capability in (
        (arguments.negative, Capability.NEGATIVE_WORDS),
        (arguments.lora, Capability.LORAS),
    ):
        if given and card is not None and capability not in card.capabilities:
            raise ModelIncompatible(
                f"The engine “{card.title}” cannot {capability.value}.",
                "Nothing was made. Leave the option out, or choose another engine with --engine.",
            )
    return PartPrompts(negatives=tuple(arguments.negative), loras=tuple(arguments.lora))


def sampling_of(arguments: argparse.Namespace) -> Sampling:
    """Return steps and scales: those given, else the engine's own."""
    return chosen_sampling(
        arguments.engine,
        steps=arguments.steps,
        text_guidance=arguments.guidance,
        layout_guidance=arguments.layout_guidance,
    )


def _negative(text: str) -> tuple[str, str]:
    name, separator, words = text.partition("=")
    if not separator:
        name, words = ALL, text
    if not name.strip() or not words.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not like “people” or fox=collar")
    return name.strip(), words.strip()


def _lora(text: str) -> tuple[str, LoraUse]:
    name, _, rest = text.partition("=")
    title, separator, number = rest.rpartition(":")
    weight = _number(number) if separator else None
    if weight is None:  # the colon belongs to the title
        title, weight = rest, 1.0
    if not name.strip() or not title.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not a name and a LoRA like fox=watercolour:0.8")
    if not 0 <= weight <= MAX_LORA_WEIGHT:
        raise argparse.ArgumentTypeError(f"{text!r}: a weight lies between 0 and {MAX_LORA_WEIGHT:g}")
    return name.strip(), LoraUse(title=title.strip(), weight=weight)


def _scale(text: str) -> float:
    number = _number(text)
    if number is None or not 0 <= number <= MAX_GUIDANCE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {MAX_GUIDANCE:g}")
    return number


def _steps(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 1 <= int(text) <= MAX_STEPS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MAX_STEPS}")
    return int(text)


def _number(text: str) -> float | None:
    """Return a finite number; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
