"""Kills a process that saves and exports at random moments, and looks whether the old or the new file is there, whole.

`python -m tests.killing --count 300 --state FILE` goes on where it stopped. Every trial forks a writer of large
documents, which tells when it begins to touch the disk; from then on the moment is drawn from the seed, over thrice
the time that one write takes. POSIX only.

- "save": one project is updated in place, from one document to another that shares part of its tiles;
- "new": a whole new project replaces a file (what stands there before is none of this version);
- "psd": a PSD replaces a PSD.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import LayerId, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import StudioError
from psdstudio.io.files import atomic_write
from psdstudio.io.project import TileHashes, load_project, save_project
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_import import import_psd
from psdstudio.io.staging import clear_litter

KINDS = ("save", "new", "psd")
IDLE, PREPARING, WRITING = range(3)
_PATIENCE_S = 120.0
_BEFORE = b"what stood here before"


def documents(side: int) -> tuple[Document, Document]:
    """Two documents of one size: the second has half of its layers' tiles in common with the first."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:side, 0:side]
    base = np.stack([(x // 3 + y) % 256, (x + y // 5) % 256, (x * y) % 256, np.full_like(x, 255)], -1).astype(
        np.uint8
    )
    base[..., :3] += rng.integers(0, 9, (side, side, 3), np.uint8)
    first = TileGrid.from_array(base)
    second = first.write(Point(0, side // 2), 255 - base[side // 2 :, :, :])
    layers = [
        PixelLayer(id=LayerId(name), props=LayerProps(name=name), pixels=grid)
        for name, grid in (("one", first), ("two", second))
    ]
    low = replace(layers[0], id=LayerId("low"), offset=Point(3, 5))
    one, two = (Document(size=Size(side, side), layers=(low, layer)) for layer in layers)
    return one, two


class Trial:
    """What is written and how it is looked at; `path` is in a folder of its own."""

    def __init__(self, kind: str, side: int, folder: Path) -> None:
        """Prepare: both documents, and the first of them written."""
        self.kind = kind
        self.pair = documents(side)
        self.path = folder / ("scene.psd" if kind == "psd" else "scene.psdstudio")
        self._hashes = TileHashes()
        self.begin()

    def begin(self) -> None:
        """Put the old file there."""
        if self.kind == "new":
            atomic_write(self.path, lambda out: out.write(_BEFORE))
        elif not self.path.exists():
            (export_psd if self.kind == "psd" else save_project)(self.pair[0], self.path)

    def write(self, which: int) -> None:
        """Write one of the two documents."""
        if self.kind == "psd":
            export_psd(self.pair[which], self.path)
        else:
            if self.kind == "new":
                self.begin()  # a project would be updated in place
            save_project(self.pair[which], self.path, hashes=self._hashes)

    def held(self) -> str:
        """Say which document the file holds, "one" or "two", or (kind "new") "before". Anything else raises."""
        if self.kind == "new" and self.path.read_bytes() == _BEFORE:
            return "before"
        if self.kind == "psd":
            document, _ = import_psd(self.path)
            found = [
                name
                for name, wanted in zip(("one", "two"), self.pair, strict=True)
                if [layer.props.name for layer in document.layers] == [x.props.name for x in wanted.layers]
                and _pixels(document) == _pixels(wanted)
            ]
        else:
            loaded = load_project(self.path)
            _pixels(loaded)  # every tile unpacks
            found = [name for name, each in zip(("one", "two"), self.pair, strict=True) if each == loaded]
        (name,) = found
        return name


def _pixels(document: Document) -> list[tuple[Point, bytes]]:
    out = []
    for layer in document.layers:
        assert isinstance(layer, PixelLayer)
        box = layer.pixels.bounds()
        at = box.origin.shifted(*layer.offset)
        out.append((at, layer.pixels.read(box).tobytes()))
    return out


def kill_once(trial: Trial, moment: random.Random, writing_s: float) -> Counter[str]:
    """Let a writer write, kill it at a random moment, and look. Returns what was seen; raises when anything is torn."""
    state = mmap.mmap(-1, 1)  # shared with the writer
    if trial.kind == "new":
        trial.begin()
    before = trial.held()
    writer = os.fork()
    if writer == 0:
        _write_for_ever(trial, 0 if before == "two" else 1, state)
    patience = time.monotonic() + _PATIENCE_S
    while state[0] != WRITING and time.monotonic() < patience:
        time.sleep(0.0002)
    time.sleep(moment.uniform(0, 3 * writing_s))
    was_writing = state[0] == WRITING
    os.kill(writer, signal.SIGKILL)
    _, status = os.waitpid(writer, 0)
    if not os.WIFSIGNALED(status):
        raise AssertionError("the writer ended before it was killed")
    seen: Counter[str] = Counter(["killed while writing" if was_writing else "killed after writing"])
    left = {entry.name for entry in trial.path.parent.iterdir()} - {trial.path.name}
    seen["with a half-written file"] += any(name.endswith(".part") for name in left)
    seen["with a journal"] += f"{trial.path.name}-journal" in left
    seen["the old one is there" if trial.held() == before else "the new one is there"] += 1
    clear_litter(trial.path.parent)
    left = {entry.name for entry in trial.path.parent.iterdir()} - {trial.path.name}
    if left:
        raise AssertionError(f"left behind: {sorted(left)}")
    return seen


def watch_writing(mark: Callable[[], None]) -> None:
    """Call `mark` whenever this process begins to write a file: at any database, and at any staged file. For good."""

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if event == "sqlite3.connect" or (event == "open" and str(arguments[0]).endswith(".part")):
            mark()

    sys.addaudithook(heard)


def _write_for_ever(trial: Trial, which: int, state: mmap.mmap) -> None:
    """The writer's process; it never returns."""
    try:
        watch_writing(lambda: state.__setitem__(0, WRITING))
        while True:
            state[0] = PREPARING
            trial.write(which)
            state[0] = IDLE
            which = 1 - which
    except BaseException as exc:  # noqa: BLE001  # a fork must not unwind into its parent's code
        print(f"the writer failed: {exc!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(1)


def _writing_s(trial: Trial) -> float:
    """How long one write touches the disk, as a forked writer measures it."""
    took = mmap.mmap(-1, 8)
    writer = os.fork()
    if writer == 0:
        try:
            begun: list[float] = []
            watch_writing(lambda: begun.append(time.perf_counter()))
            trial.write(1)
            struct.pack_into("d", took, 0, time.perf_counter() - begun[0])
        finally:
            os._exit(0)
    os.waitpid(writer, 0)
    (seconds,) = struct.unpack_from("d", took, 0)
    assert seconds > 0, "the writer failed"
    return float(seconds)


def run(
    kind: str, count: int, *, seed: int, side: int, state: Path | None, say: Callable[[str], None]
) -> Counter[str]:
    """Kill `count` times; with `state`, go on with what is noted there. Returns everything that was seen."""
    done, seen = 0, Counter[str]()
    if state is not None and state.exists():
        noted = json.loads(state.read_text(encoding="utf-8")).get(kind, {"done": 0, "seen": {}})
        done, seen = noted["done"], Counter(noted["seen"])
    with tempfile.TemporaryDirectory(prefix="psdstudio-kill-") as folder:
        trial = Trial(kind, side, Path(folder))
        writing_s = _writing_s(trial)
        for index in range(done, count):
            try:
                seen += kill_once(trial, random.Random(f"{seed} {kind} {index}"), writing_s)
            except (AssertionError, StudioError, ValueError, OSError) as exc:
                raise AssertionError(f"{kind}, kill {index} of seed {seed}: {exc!r}") from exc
            if state is not None:
                _note(state, kind, index + 1, seen)
            if (index + 1) % 25 == 0:
                say(f"{kind}: {index + 1} kills, {dict(seen)}")
    return seen


def _note(state: Path, kind: str, done: int, seen: Counter[str]) -> None:
    noted = json.loads(state.read_text(encoding="utf-8")) if state.exists() else {}
    noted[kind] = {"done": done, "seen": dict(seen)}
    atomic_write(state, lambda out: out.write(json.dumps(noted, indent=1).encode()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the kills that the command line asks for; 0 when nothing was torn."""
    parser = argparse.ArgumentParser(prog="python -m tests.killing", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="kills, over all kinds (default 300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--side", type=int, default=1500, help="edge of the documents in pixels (default 1500)"
    )
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind; may be repeated")
    parser.add_argument(
        "--state", type=Path, help="file that says what is done; a second run goes on from there"
    )
    args = parser.parse_args(argv)
    kinds = args.kind or KINDS
    for index, kind in enumerate(kinds):
        count = args.count // len(kinds) + (index < args.count % len(kinds))
        seen = run(
            kind,
            count,
            seed=args.seed,
            side=args.side,
            state=args.state,
            say=lambda line: print(line, flush=True),
        )
        print(f"{kind}: {count} kills, nothing torn; {dict(seen)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
