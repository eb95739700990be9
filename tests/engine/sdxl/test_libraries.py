"""How the libraries enter the engine: in a fresh process, warnings being errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch


def test_the_libraries_are_offline_and_quiet_whatever_the_environment_says() -> None:
    code = (
        "import psdstudio.engine.sdxl.libraries, huggingface_hub.constants as c;"
        "from psdstudio.engine.sdxl.tokenizer import clip_tokenizers; clip_tokenizers(); print(c.HF_HUB_OFFLINE)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("True", "", 0)
