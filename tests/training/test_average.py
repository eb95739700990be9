"""The mean of runs: of one it is that run, of two it lies between, and what was seen is counted once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from psdstudio.training import average
from psdstudio.training.average import averaged, main
from psdstudio.training.checkpoints import load_state, save_state
from tests.training.toys import tiny_state

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(average, "build_state", lambda rate: tiny_state())


def written(path: Path, shift: float, seen: dict[str, int]) -> Path:
    state = tiny_state()
    with torch.no_grad():
        for parameter in state.average.parameters():
            parameter.add_(shift)
    state.step, state.seen = 10 + int(shift), seen
    save_state(path, state)
    return path


def test_two_runs_meet_in_the_middle(tmp_path: Path) -> None:
    start = written(tmp_path / "s.safetensors", 0.0, {"mixed": 100})
    one = written(tmp_path / "a.safetensors", 1.0, {"mixed": 130})
    two = written(tmp_path / "b.safetensors", 2.0, {"mixed": 110, "objects": 7})
    made = averaged([one, two], start)
    for mean, first in zip(made.average.parameters(), tiny_state().average.parameters(), strict=True):
        torch.testing.assert_close(mean, first + 1.5)
    for a, b in zip(made.net.parameters(), made.average.parameters(), strict=True):
        assert torch.equal(a, b), "training goes on from the mean"
    assert made.seen == {"mixed": 140, "objects": 7}, "the start was seen once"
    assert made.step == 12


def test_the_mean_of_one_run_is_that_run(tmp_path: Path) -> None:
    start = written(tmp_path / "s.safetensors", 0.0, {"mixed": 5})
    one = written(tmp_path / "a.safetensors", 1.0, {"mixed": 9})
    main([str(one), "--began", str(start), "--to", str(tmp_path / "out" / "last.safetensors")])
    state = tiny_state()
    load_state(tmp_path / "out" / "last.safetensors", state)
    for mean, first in zip(state.average.parameters(), tiny_state().average.parameters(), strict=True):
        torch.testing.assert_close(mean, first + 1.0)
    assert state.seen == {"mixed": 9}


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no run"):
        averaged([], tmp_path / "s.safetensors")
