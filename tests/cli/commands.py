"""What the command tests share: a sentence, and short ways to run `generate` and to read JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from psdstudio.cli.main import main

SENTENCE = "a swan and a flamingo on calm water at sunset"


def generate(*words: str, output: str = "scene.psdstudio", size: str = "120x90") -> int:
    return main(["generate", *words, "--size", size, "--engine", "fake", "--threads", "1", "-o", output])


def printed_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return parsed
