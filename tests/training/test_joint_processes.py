"""The joint adapter trained by two processes, started as users start them: by accelerate's own launcher."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from psdstudio.training import joint_lora
from tests.training.joint_toys import command, write_base, write_documents

pytestmark = [pytest.mark.torch, pytest.mark.slow]
TIMEOUT_S = 600


def launched(words: list[str], processes: int) -> subprocess.CompletedProcess[str]:
    """Run the trainer by `accelerate launch`; nothing of the user's own accelerate configuration counts."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "ACCELERATE_CONFIG_FILE": os.devnull,
        "MASTER_ADDR": "127.0.0.1",
    }
    launcher = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        str(processes),
    ]
    return subprocess.run(
        [*launcher, "-m", "psdstudio.training.joint_lora", *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=environment,
        check=False,
    )


def test_two_processes_train_one_adapter(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    documents = write_documents(tmp_path / "documents", 3)
    out = tmp_path / "out"
    words = command(base, out, "--data", str(documents), "--steps", "2", "--no-pictures")
    done = launched(words, 2)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    first, second = next(line["digests"] for line in lines if line.get("saved_at") == 2)
    assert first == second, "both processes hold the same weights to the bit"
    trained = load_file(out / "joint.safetensors")
    assert all(bool(tensor.isfinite().all()) for tensor in trained.values())
    assert any(bool(tensor.any()) for name, tensor in trained.items() if name.endswith(".up"))
    with safe_open(out / "last.safetensors", framework="pt") as file:
        assert file.metadata()["scenes"] == "8", "two steps of two scenes in each process"
    assert len(list((out / "encoded").iterdir())) == 3, "each encoded its share"

    # One process alone sees other scenes: the two did not just do the same work twice.
    shutil.copytree(out / "encoded", tmp_path / "alone" / "encoded")
    assert joint_lora.main(command(base, tmp_path / "alone", *words[-5:])) == 0
    alone = load_file(tmp_path / "alone" / "joint.safetensors")
    assert not all(torch.equal(alone[name], trained[name]) for name in trained)

    (tmp_path / "none").mkdir()
    failed = launched(command(base, out, "--data", str(tmp_path / "none")), 2)
    assert failed.returncode != 0 and "holds no layered document" in failed.stderr
