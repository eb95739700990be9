"""Document to PSD: written beside its place, read back, and only then renamed.

Built from psd_tools' low-level records; its high-level writer loses names, previews and group masks.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from psd_tools.constants import ColorMode, Tag
from psd_tools.psd.header import FileHeader
from psd_tools.psd.tagged_blocks import TaggedBlock, TaggedBlocks

from psdstudio.core.document import Document
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.errors import FileUnsupported
from psdstudio.io.credits import library_credits
from psdstudio.io.files import SAFE, atomic_write
from psdstudio.io.psd_foreign import restore_document
from psdstudio.io.psd_merged import merged_image
from psdstudio.io.psd_options import MAX_PSD_SIDE_PX, MAX_RECORDS, PSB_SUFFIX, ExportOptions
from psdstudio.io.psd_outline import can_be_background
from psdstudio.io.psd_prepare import Prepared, prepared
from psdstudio.io.psd_records import highest_id, layer_records
from psdstudio.io.psd_resources import image_resources
from psdstudio.io.psd_stream import PsdParts, Receipt, write_psd
from psdstudio.io.psd_verify import verify_psd
from psdstudio.io.xmp import xmp_packet

_FILTER_MASK = struct.pack(">6H", 0, 0xFFFF, 0, 0, 0, 50)
"""How Photoshop shows filter masks: red at 50 %; the same in all files that it writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written.

    `changes` are sentences on what was rewritten because the options asked for it; `losses` on everything that the
    PSD does not hold as the document does.
    """

    layers: int
    size_bytes: int
    is_psb: bool
    has_background: bool
    losses: tuple[str, ...]
    changes: tuple[str, ...] = ()


def export_psd(
    document: Document, target: Path | BinaryIO, options: ExportOptions = ExportOptions()
) -> ExportReport:
    """Write a document as PSD (or PSB), completely or not at all, and read it back before it counts.

    A file named `.psb` is a PSB; a stream, which has no name, gets one when a PSD is too small for the canvas.

    Raises:
        FileUnsupported: The document is beyond what the chosen format holds, or no chosen layer is in it.
        FileWriteFailed: It could not be written, or did not read back as meant; the old file is untouched.
    """
    ready = prepared(document, options)
    is_psb = options.big or _wants_psb(target, document)
    parts, losses = _parts(ready, options, version=2 if is_psb else 1)
    if isinstance(target, Path):
        receipts: list[Receipt] = []
        atomic_write(
            target,
            lambda out: receipts.append(write_psd(out, parts)),
            verify=lambda staged: _verify_file(staged, parts, receipts[0]),
        )
        size_bytes = target.stat().st_size
    else:
        # Lengths are filled in afterwards, which a plain stream cannot do.
        buffer = io.BytesIO()
        verify_psd(buffer, parts, write_psd(buffer, parts))
        size_bytes = target.write(buffer.getbuffer())
    return ExportReport(
        layers=sum(1 for _ in ready.written.walk()),
        size_bytes=size_bytes,
        is_psb=is_psb,
        has_background=can_be_background(ready.written),
        losses=tuple(dict.fromkeys([*ready.notes.losses, *losses])),
        changes=tuple(ready.notes.changes),
    )


def _wants_psb(target: Path | BinaryIO, document: Document) -> bool:
    if isinstance(target, Path):
        return target.suffix.lower() == PSB_SUFFIX
    return max(document.size) > MAX_PSD_SIDE_PX


def _verify_file(path: Path, parts: PsdParts, receipt: Receipt) -> None:
    with open(path, "rb") as file:
        verify_psd(file, parts, receipt)


def _parts(ready: Prepared, options: ExportOptions, *, version: int) -> tuple[PsdParts, list[str]]:
    """Return what is to be written, and sentences on what PSD cannot take."""
    document = ready.written
    _check_size(document, version)
    losses: list[str] = []
    if not document.layers:
        document = document.with_layers((PixelLayer(props=LayerProps(name="Layer 1")),))
        losses.append("An empty layer was added: a PSD cannot be without layers.")
    records = layer_records(document, version, ready.shadows)
    losses += [loss for one in records for loss in one.losses]
    if len(records) > MAX_RECORDS:
        raise FileUnsupported(
            f"The document has more than {MAX_RECORDS:,} layers, which Photoshop cannot open.",
            f"{SAFE} Merge some layers first.",
        )
    merged = merged_image(ready.shown, version)
    header = FileHeader(
        version=version, channels=4 if merged.transparent else 3, height=document.size.height,
        width=document.size.width, depth=8, color_mode=ColorMode.RGB,
    )  # fmt: skip
    credits_lines = (*library_credits(ready.shown), *options.credits_lines)
    xmp = xmp_packet(document, strip_prompts=options.strip_prompts, credits_lines=credits_lines)
    resources = image_resources(
        document, small_rgb=merged.small, xmp=xmp, id_seed=highest_id(records),
        transparent=merged.transparent,
    )  # fmt: skip
    tagged_blocks = TaggedBlocks()
    tagged_blocks[Tag.FILTER_MASK] = TaggedBlock(key=Tag.FILTER_MASK, data=_FILTER_MASK)
    restore_document(document, resources, tagged_blocks)
    parts = PsdParts(
        header=header, resources=resources, records=tuple(records), tagged_blocks=tagged_blocks, merged=merged
    )
    return parts, losses


def _check_size(document: Document, version: int) -> None:
    side = max(document.size)
    if version == 1 and side > MAX_PSD_SIDE_PX:
        raise FileUnsupported(
            f"A canvas of {document.size.width:,} × {document.size.height:,} px is too large for a PSD file.",
            f"{SAFE} Export it under a name that ends in .psb, the large format of Photoshop.",
        )
