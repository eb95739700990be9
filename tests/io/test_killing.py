"""Twenty of the kills of `python -m tests.killing`, in a process of their own: it forks, and listens for good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    command = [sys.executable, "-m", "tests.killing", "--side", "500", "--state", str(state)]
    for count in (5, 20):  # the second run goes on where the first one stopped
        done = subprocess.run(
            [*command, "--count", str(count)], check=False, cwd=_ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
    noted = json.loads(state.read_text(encoding="utf-8"))
    assert sum(kind["done"] for kind in noted.values()) == 20
    seen = [kind["seen"] for kind in noted.values()]
    assert sum(each.get("killed while writing", 0) for each in seen) >= 5
    assert all(
        each.get("the old one is there", 0) + each.get("the new one is there", 0) == kind["done"]
        for each, kind in zip(seen, noted.values(), strict=True)
    )
