"""How fast large files are written and read: 20 layers of 4096x4096, against psd-tools alone in the same run.

The layers are soft-edged cut-outs with sides of 0.2 to 0.5 of the canvas, of photographic noise that run-length
packing cannot shrink, upon an opaque background: 246 MB of pixels. Each program runs in a process of its own, so that
its peak of memory is its own. psd-tools writes what its high-level interface writes, with the merged image that it
composes itself; ours is read back and compared before it counts. Times hang on the machine and on what else it does:
compare the ratios of one run, on a busy machine those of processor time. Of several tries the middle one counts, since
psd-tools, which is slow, has a single one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array

SUMMARY = "20 layers of 4096x4096 written and read, against psd-tools alone"
PARTS = ("export", "import")
_SOFT_PX = 24
_SEED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One program's work on one file: seconds by the clock and by the processor, peak of the process, file size."""

    program: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    file_mb: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this measurement."""
    parser.add_argument("--side", type=int, default=4096, help="edge of the canvas in pixels (default 4096)")
    parser.add_argument(
        "--layers", type=int, default=20, help="layers above the background (default 20; 2 will do for a try)"
    )
    parser.add_argument(
        "--repeat", type=int, default=3, help="repetitions of our side; the middle one counts (3)"
    )
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--child", choices=sorted(_CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return 0."""
    if args.child:
        print(json.dumps(asdict(_CHILDREN[args.child](args))))
        return 0
    parts = PARTS if args.only is None else (args.only,)
    out: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ours.psd"
        ours = _child("ours", args, file)
        if "export" in parts:
            theirs = _child("psd-tools", args, Path(folder) / "theirs.psd")
            out["export"] = [asdict(ours), asdict(theirs)]
            out["times_faster"] = round(theirs.seconds / ours.seconds, 2)
            out["times_less_processor_time"] = round(theirs.cpu_seconds / ours.cpu_seconds, 2)
        if "import" in parts:
            out["import"] = [asdict(_child("import", args, file))]
    print(json.dumps(out, indent=2) if args.json else _table(out))
    return 0


def build(side: int, layers: int) -> Document:
    """Return the measured document; the same for the same arguments."""
    made = [
        PixelLayer(props=LayerProps(name=name), pixels=TileGrid.from_array(rgba), offset=at)
        for name, at, rgba in _pictures(side, layers)
    ]
    return Document(size=Size(side, side), layers=tuple(made))


def _pictures(side: int, layers: int) -> Iterator[tuple[str, Point, U8Array]]:
    """Yield name, place and (h, w, 4) pixels of every layer, bottom first."""
    rng = np.random.default_rng(_SEED)
    texture = _texture(rng, side)
    yield "Background", Point(0, 0), np.dstack([texture, np.full((side, side), 255, np.uint8)])
    for number in range(1, layers + 1):
        width, height = (round(side * share) for share in rng.uniform(0.2, 0.5, 2))
        x, y = int(rng.integers(0, side - width)), int(rng.integers(0, side - height))
        cut = np.roll(texture, int(rng.integers(0, 3)), axis=2)[y : y + height, x : x + width]
        alpha = _ellipse(width, height)
        yield f"Object {number}", Point(x, y), np.dstack([np.where(alpha[..., None] > 0, cut, 0), alpha])


def _texture(rng: np.random.Generator, side: int) -> U8Array:
    """Return (side, side, 3): slow changes of colour under the noise of a camera."""
    coarse = rng.integers(40, 216, (side // 64 + 2, side // 64 + 2, 3)).astype(np.float32)
    out = np.empty((side, side, 3), np.uint8)
    share = (np.arange(side) % 64 / 64).astype(np.float32)[:, None]
    for y in range(side):
        row = coarse[y // 64] * (1 - y % 64 / 64) + coarse[y // 64 + 1] * (y % 64 / 64)
        left, right = np.repeat(row[:-1], 64, axis=0)[:side], np.repeat(row[1:], 64, axis=0)[:side]
        line = left * (1 - share) + right * share + rng.normal(0, 4, (side, 3)).astype(np.float32)
        out[y] = np.clip(line, 0, 255)
    return out


def _ellipse(width: int, height: int) -> U8Array:
    """Return (height, width): 255 inside, falling to 0 over some pixels at the edge."""
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height * 2 - 1
    x = (np.arange(width, dtype=np.float32)[None] + 0.5) / width * 2 - 1
    inside = (1 - np.sqrt(x * x + y * y)) * (min(width, height) / 2 / _SOFT_PX)
    return (np.clip(inside, 0, 1) * 255).astype(np.uint8)


def _ours(args: argparse.Namespace) -> Figures:
    from psdstudio.io.psd_export import export_psd

    document = build(args.side, args.layers)
    return _measured("PSDStudio", lambda: export_psd(document, args.file), args.file, args.repeat)


def _theirs(args: argparse.Namespace) -> Figures:
    """What a program gets that writes with psd-tools and nothing else."""
    from psd_tools import PSDImage

    pictures = list(_pictures(args.side, args.layers))

    def write() -> None:
        psd = PSDImage.new("RGB", (args.side, args.side))
        for name, at, rgba in pictures:
            psd.create_pixel_layer_from_array(rgba, name=name, top=at.y, left=at.x)
        psd.save(args.file)

    return _measured("psd-tools", write, args.file, 1)


def _import(args: argparse.Namespace) -> Figures:
    """What opening takes altogether: the reading process is started for it, as the window does."""
    from psdstudio.io.psd_reader import read_psd

    return _measured("PSDStudio", lambda: read_psd(args.file), args.file, args.repeat)


_CHILDREN: dict[str, Callable[[argparse.Namespace], Figures]] = {
    "ours": _ours,
    "psd-tools": _theirs,
    "import": _import,
}


def _measured(program: str, work: Callable[[], object], file: Path, repeat: int) -> Figures:
    clock, processor = [], []
    for _ in range(max(1, repeat)):
        start, start_cpu = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_cpu)
    return Figures(
        program=program,
        seconds=round(median(clock), 2),
        cpu_seconds=round(median(processor), 2),
        peak_mb=_peak_mb(),
        file_mb=round(file.stat().st_size / 2**20, 1),
    )


def _peak_mb() -> float:
    """The most memory that this process ever held, in MiB; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(
        line for line in status.read_text("ascii", "replace").splitlines() if line.startswith("VmHWM")
    )
    return round(int(line.split()[1]) / 1024, 0)


def _child(name: str, args: argparse.Namespace, file: Path) -> Figures:
    command = [sys.executable, "-m", "psdstudio.bench", "files", "--child", name, "--file", str(file)]
    command += ["--side", str(args.side), "--layers", str(args.layers), "--repeat", str(args.repeat)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    return Figures(**json.loads(done.stdout))


def _table(out: dict[str, object]) -> str:
    lines = []
    for part in PARTS:
        rows = out.get(part, [])
        assert isinstance(rows, list)
        lines += [_line(part, row) for row in rows]
    if "times_faster" in out:
        lines.append(
            f"export is {out['times_faster']} times faster than psd-tools alone"
            f" ({out['times_less_processor_time']} times by processor time)"
        )
    return "\n".join(lines)


def _line(part: str, row: dict[str, object]) -> str:
    times = f"{row['seconds']:7.2f} s  processor {row['cpu_seconds']:6.2f} s"
    return (
        f"{part:7} {row['program']:10} {times}  peak {row['peak_mb']:5.0f} MB  file {row['file_mb']:6.1f} MB"
    )
