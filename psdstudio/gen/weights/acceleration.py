"""Which models were distilled to paint in few steps. Their tensors look like any other's: their names tell."""

from __future__ import annotations

import re

_METHODS = (
    ("Lightning", re.compile(r"sdxl[-_ ]?lightning|lightning[-_ ]?sdxl|lightning.*\d[-_ ]?step")),
    ("Hyper-SD", re.compile(r"hyper[-_ ]?(sd|\d)|hyper.*\d[-_ ]?step")),
    ("LCM", re.compile(r"(?<![a-z])lcm(?![a-z])")),
    ("TCD", re.compile(r"(?<![a-z])tcd(?![a-z])")),
    ("DMD", re.compile(r"(?<![a-z])dmd2?(?![a-z])")),
    ("Turbo", re.compile(r"sdxl[-_ ]?turbo|turbo[-_ ]?(sdxl|lora)|(?<![a-z])turbo.*\d[-_ ]?step")),
)
# Of a whole model the bare word is enough: no subject of a picture, as with a LoRA, but the custom of its makers.
_IN_MODELS = (
    ("Lightning", re.compile(r"lightning")),
    ("Hyper-SD", re.compile(r"hyper(?![a-z])|(?<=[a-z_-])hyper(?=sd)")),
    ("Turbo", re.compile(r"turbo")),
    *_METHODS[2:5],
)
_STEPS = re.compile(r"(?<!\d)(\d{1,2})[-_ ]?steps?")
_WITH_GUIDANCE = re.compile(r"(?<![a-z])cfg(?![a-z])")


def method_of_lora(words: str) -> str | None:
    """Return the method that a LoRA's name and metadata tell, in small letters; None for an ordinary LoRA."""
    return next((name for name, pattern in _METHODS if pattern.search(words)), None)


def method_of_model(name: str) -> str | None:
    """Return the method that a whole model's name tells; None for an ordinary model."""
    return next((method for method, pattern in _IN_MODELS if pattern.search(name.lower())), None)


def facts_of_lora(words: str) -> list[tuple[str, str]]:
    """Return "method", "steps" and "guidance" of an acceleration, as far as its words tell.

    "guidance" is "kept" for Hyper-SD's editions for 8 and 12 steps that are guided as a slow model is.
    """
    method, steps = method_of_lora(words), _STEPS.search(words)
    facts = [("method", method)] if method else []
    facts += [("steps", steps[1])] if steps else []
    return facts + ([("guidance", "kept")] if _WITH_GUIDANCE.search(words) else [])
