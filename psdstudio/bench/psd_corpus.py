"""What becomes of a folder of PSD files of other programs: opened, compared with the picture stored in them, reported.

Each file is opened by the reading process with its limits, composited by us, and compared with the merged image that
the writing program left in it, both over white. A file "uses only what we have" when nothing in it is named by
`features_beyond`; these should differ by 3 levels of 255 at most.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.layers import BlendMode
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileError
from psdstudio.io.psd_colour import ColourMode
from psdstudio.io.psd_import import adjustment_of
from psdstudio.io.psd_masks import read_mask_record
from psdstudio.io.psd_properties import shows_effects, solid_colour
from psdstudio.io.psd_rasters import box_of
from psdstudio.io.psd_read import PsdFile, PsdNode, merged_of, mode_of, open_psd
from psdstudio.io.psd_reader import PsdReader
from psdstudio.render.compositor import Compositor, render_over

SUMMARY = "open every PSD of a folder and compare with the pictures stored in them"
TOLERANCE = 3
_VERSION_INFO, _HIDDEN = 1057, 2
_WHITE = (255, 255, 255)
_BLENDED_AS_WE_DO = (ColourMode.RGB, ColourMode.GREY, ColourMode.DUOTONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One file. Differences are levels of 255, None where nothing could be compared; `refused` is the sentence."""

    name: str
    layers: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    losses: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    largest: int | None = None
    permille: float | None = None
    """The difference that 99.9 % of the pixels do not exceed."""
    refused: str = ""

    @property
    def deviates(self) -> bool:
        """Whether a file that uses only what we have looks otherwise than its stored picture."""
        return not self.beyond and self.largest is not None and self.largest > TOLERANCE


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this measurement."""
    parser.add_argument("folder", type=Path, help="where the .psd and .psb files are, sub-folders included")
    parser.add_argument("--losses", action="store_true", help="print what was lost of every file too")


def run(args: argparse.Namespace) -> int:
    """Go through the folder, print the table, and return 1 when a file deviates or the reading process failed."""
    logging.disable(logging.CRITICAL)
    with PsdReader() as reader:
        outcomes = [outcome_of(path, reader) for path in corpus(args.folder)]
    if args.json:
        print(json.dumps([asdict(each) for each in outcomes], ensure_ascii=False, indent=1))
    else:
        print(_table(outcomes, losses=args.losses))
    return int(any(each.deviates for each in outcomes))


def corpus(folder: Path) -> list[Path]:
    """Return the PSD and PSB files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".psd", ".psb"})


def outcome_of(path: Path, reader: PsdReader) -> Outcome:
    """Open one file and compare it with the picture stored in it."""
    try:
        document, report = reader.read(path)
        usage = reader.usage
        file = open_psd(path)
        beyond = sorted(features_beyond(file))
        stored = _stored(file, document)
    except FileError as exc:
        return Outcome(name=path.name, refused=exc.user_message, seconds=reader.usage.seconds)
    largest, permille = (None, None) if stored is None else _differences(document, stored)
    return Outcome(
        name=path.name, layers=report.layers, seconds=usage.seconds, peak_mb=usage.peak_bytes / 2**20,
        losses=report.losses, beyond=tuple(beyond), largest=largest, permille=permille,
    )  # fmt: skip


def features_beyond(file: PsdFile) -> set[str]:
    """Name everything in a file because of which our picture of it may be another one."""
    header, found = file.structure.header, set()
    version = file.structure.resource(_VERSION_INFO)
    if version is not None and len(version) > 4 and not version[4]:
        found.add("no real picture stored")
    if header.depth == 32:
        found.add("32-bit blending")
    shown = list(_shown(file.layers))
    if header.color_mode not in _BLENDED_AS_WE_DO and len(shown) > 1:
        found.add("blending in other colours than RGB and grey")
    for node in shown:
        found |= _beyond(file, node)
    return found


def _shown(nodes: tuple[PsdNode, ...]) -> Iterator[PsdNode]:
    for node in nodes:
        if not node.record.flags & _HIDDEN:
            yield node
            yield from _shown(node.children or ())


def _beyond(file: PsdFile, node: PsdNode) -> set[str]:
    record, is_group = node.record, node.children is not None
    mode, mask = mode_of(node), read_mask_record(record)
    is_empty_fill = record.has(b"SoCo", b"GdFl", b"PtFl") and box_of(record).is_empty
    is_through = mode is BlendMode.PASS_THROUGH and record.number(b"iOpa", 255) < 255
    adjusts = adjustment_of(file, node)
    named = {
        "an adjustment that we do not have": adjusts is not None and adjusts.adjustment is None,
        "an adjustment drawn approximately": adjusts is not None and bool(adjusts.remark),
        "effects": shows_effects(record),
        "a fill without pixels": not is_group and is_empty_fill and solid_colour(record) is None,
        "dissolve": mode is BlendMode.DISSOLVE,
        "an unknown blend mode": mode is None,
        "a clipped group": is_group and record.clipping,
        "clipped layers not blended as a group": record.number(b"clbl", 1) == 0,
        "knockout": record.number(b"knko", 0) != 0,
        "a soft mask": mask is not None and (mask.feather_px > 0 or mask.vector_feather_px > 0),
        "a pass-through group with fill": is_through,
        "an artboard": record.has(b"artb", b"artd", b"abdd"),
    }
    return {name for name, is_so in named.items() if is_so}


def _stored(file: PsdFile, document: Document) -> U8Array | None:
    """Return the stored picture, (h, w, 4) straight; None where it does not decode."""
    try:
        return merged_of(file).read(document.canvas)
    except FileError:
        return None


def _differences(document: Document, stored: U8Array) -> tuple[int, float]:
    ours = render_over(Compositor().render(document), _WHITE).astype(np.int16)
    apart = np.abs(ours - render_over(stored, _WHITE)).max(axis=2)
    return int(apart.max()), float(np.percentile(apart, 99.9))


def _table(outcomes: list[Outcome], *, losses: bool) -> str:
    lines = [
        f"{'file':<58}{'layers':>7}{'s':>7}{'MB':>6}{'losses':>7}{'max':>5}{'99.9%':>7}  only what we have?"
    ]
    for each in outcomes:
        apart = "    -      -" if each.largest is None else f"{each.largest:>5}{each.permille:>7.1f}"
        verdict = (
            "DEVIATES" if each.deviates else "yes" if not each.beyond else "no: " + ", ".join(each.beyond)
        )
        lines.append(
            f"{each.name[:57]:<58}{each.layers:>7}{each.seconds:>7.2f}{each.peak_mb:>6.0f}{len(each.losses):>7}"
            f"{apart}  {each.refused or verdict}"
        )
        lines += [f"    {loss}" for loss in each.losses] if losses else []
    opened = [each for each in outcomes if not each.refused]
    alike = [each for each in opened if not each.beyond and each.largest is not None]
    lines.append(
        f"{len(opened)} of {len(outcomes)} opened; {len(alike)} use only what we have and hold a picture, of which"
        f" {sum(each.deviates for each in alike)} deviate by more than {TOLERANCE}/255."
    )
    if opened:
        slowest, largest = max(each.seconds for each in opened), max(each.peak_mb for each in opened)
        lines.append(f"Longest {slowest:.2f} s; most memory of the reading process {largest:.0f} MB.")
    return "\n".join(lines)
