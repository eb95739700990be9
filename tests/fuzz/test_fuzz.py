"""Five hundred of the inputs of `python -m tests.fuzz`; and the fuzzer sees what it is there to see."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from psdstudio.io.project import load_project
from tests.fuzz import byte_mutations, opening, ora_mutations, png_mutations, project_mutations, psd_mutations
from tests.fuzz.__main__ import damaged, main
from tests.fuzz.inputs import INPUTS
from tests.fuzz.opening import Opened, Opener


@pytest.mark.parametrize("count", [500])
def test_nothing_crashes_hangs_grows_or_writes_elsewhere(count: int, tmp_path: Path) -> None:
    state, failures = tmp_path / "state.json", tmp_path / "failures"
    arguments = ["--seed", "4", "--state", str(state), "--failures", str(failures)]
    assert main([*arguments, "--count", str(count - 50)]) == 0
    assert main([*arguments, "--count", str(count)]) == 0  # goes on where it stopped
    noted = json.loads(state.read_text(encoding="utf-8"))
    assert (noted["done"], noted["failures"]) == (count, [])
    assert sum(noted["seen"].values()) == count
    # Damage that is always refused at the door would find nothing.
    assert all(noted["seen"][f"{kind} {outcome}"] > 0 for kind in INPUTS for outcome in ("opened", "refused"))
    assert not failures.exists()


@pytest.mark.parametrize("kind", INPUTS)
def test_the_sound_files_open(kind: str, opener: Opener, tmp_path: Path) -> None:
    for data in INPUTS[kind].originals():
        path = tmp_path / f"sound{INPUTS[kind].suffix}"
        path.write_bytes(data)
        assert opener.open(kind, path).outcome == "opened"


def _openraster() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "image/openraster")
        archive.writestr(
            "stack.xml", '<image w="9" h="9"><stack><layer src="data/layer0.png" x="1"/></stack></image>'
        )
        archive.writestr("data/layer0.png", INPUTS["png"].originals()[0])
    return out.getvalue()


def test_damage_follows_from_its_seed_and_is_damage() -> None:
    assert [damaged(3, number, list(INPUTS)) for number in range(20)] == [
        damaged(3, number, list(INPUTS)) for number in range(20)
    ]
    changes = {
        byte_mutations.mutations: INPUTS["psd"].originals()[0],
        psd_mutations.mutations: INPUTS["psd"].originals()[0],
        png_mutations.mutations: INPUTS["png"].originals()[0],
        project_mutations.mutations: INPUTS["project"].originals()[0],
        ora_mutations.mutations: _openraster(),
    }
    for mutations, original in changes.items():
        made = [mutations(seed, original) for seed in range(12)]
        assert [mutations(seed, original) == made[seed] for seed in range(12)] == [True] * 12
        assert len(set(made) - {original}) > 6, mutations.__module__


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[Opener]:
    """A limited process that may write into the test's folder."""
    made = Opener(tmp_path)
    yield made
    made.close()


_FAULTS = """
import os, time
from pathlib import Path
from tests.fuzz import child, inputs

def hang(path): time.sleep(60); return ""
def crash(path): os.abort()
def grow(path): held = bytearray(2 ** 31); return str(len(held))
def raise_it(path): raise KeyError("nobody caught this")
def write(path): Path(path.parent.parent, "elsewhere").write_bytes(b"x"); return ""
def change(path): path.write_bytes(b"x"); return ""
def run_it(path): os.system("true"); return ""
def open_it(path): return "fine"

inputs.INPUTS = child.INPUTS = {
    name: inputs.Input(".bin", 1, tuple, bytes, function)
    for name, function in dict(hang=hang, crash=crash, grow=grow, raise_it=raise_it, write=write, change=change,
                               run_it=run_it, open_it=open_it).items()
}
child.main()
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of memory and aborts as POSIX has them")
def test_the_fuzzer_sees_every_kind_of_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault is planted in a process of its own; the next file is opened by a fresh one."""
    folder = tmp_path / "inside"
    folder.mkdir()
    script = tmp_path / "faults.py"
    script.write_text(_FAULTS, encoding="utf-8")
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(launcher))
    opener = Opener(folder)
    path = folder / "input.bin"
    path.write_bytes(b"anything")
    expected = {
        "open_it": "fine", "hang": "no answer within", "crash": "ended with -6", "grow": "MemoryError",
        "raise_it": "nobody caught this", "write": "reached outside", "run_it": "os.system", "change": "written to",
    }  # fmt: skip
    try:
        opener.open("open_it", path)
        for fault, words in expected.items():
            monkeypatch.setattr(opening, "TIME_LIMIT_S", 0.5 if fault == "hang" else 60.0)
            opened = opener.open(fault, path)
            assert words in opened.what, (fault, opened)
            assert opened.outcome == ("opened" if fault == "open_it" else "failed")
    finally:
        opener.close()


def test_a_file_that_reads_as_damaged_is_refused(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "a.psdstudio"
    path.write_bytes(INPUTS["project"].originals()[0][:5000])
    assert opener.open("project", path) == Opened("refused", "FileCorrupt")
    path.write_bytes(INPUTS["project"].originals()[0])
    assert load_project(path).layers
