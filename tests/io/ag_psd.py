"""Reads PSD files with ag-psd (node), the independent witness of the export tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from psdstudio.core.tiles import U8Array

TOOLS = Path(__file__).resolve().parent.parent / "tools"


@dataclass(frozen=True, slots=True)
class Dump:
    """ag-psd's view of a file: the JSON tree, and the folder with the raw pixels."""

    tree: dict[str, Any]
    folder: Path

    def pixels(self, image: dict[str, Any] | None) -> U8Array:
        """Return (h, w, 4) uint8 of an image entry of the tree; (0, 0, 4) for none."""
        if image is None:
            return np.zeros((0, 0, 4), np.uint8)
        raw = np.fromfile(self.folder / image["file"], np.uint8)
        return raw.reshape(image["height"], image["width"], 4)


def need_ag_psd() -> None:
    """Skip without node or ag-psd; in CI that is a failure."""
    if shutil.which("node") and (TOOLS / "node_modules" / "ag-psd").is_dir():
        return
    if os.environ.get("CI"):
        pytest.fail("node or ag-psd is missing: run scripts/bootstrap.py --dev")
    pytest.skip("node or ag-psd is not installed (scripts/bootstrap.py --dev installs it)")


def read_with_ag_psd(path: Path, folder: Path) -> Dump:
    """Return what ag-psd reads; fails the test with its message when it cannot."""
    folder.mkdir(exist_ok=True)
    command = ["node", str(TOOLS / "dump_psd.mjs"), str(folder), str(path)]
    run = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr.decode("utf-8", "replace")[-800:]
    return Dump(json.loads(run.stdout), folder)


def read_many_with_ag_psd(paths: list[Path], folder: Path) -> list[Dump]:
    """Return what ag-psd reads of several files, by one start of node."""
    folder.mkdir(exist_ok=True)
    command = ["node", str(TOOLS / "dump_psd.mjs"), "--many", str(folder), *map(str, paths)]
    run = subprocess.run(command, capture_output=True, check=False, timeout=600)
    assert run.returncode == 0, run.stderr.decode("utf-8", "replace")[-2000:]
    folders = [folder / str(index) for index in range(len(paths))]
    return [Dump(json.loads((each / "tree.json").read_text("utf-8")), each) for each in folders]
