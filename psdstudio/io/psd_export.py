"""Document to PSD: written beside its place, read back, and only then renamed.

Built from psd_tools' low-level records; its high-level writer loses names, previews and group masks.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from psd_tools.compression import compress
from psd_tools.constants import ColorMode, Compression
from psd_tools.psd.color_mode_data import ColorModeData
from psd_tools.psd.document import PSD
from psd_tools.psd.header import FileHeader
from psd_tools.psd.image_data import ImageData
from psd_tools.psd.layer_and_mask import GlobalLayerMaskInfo, LayerAndMaskInformation
from psd_tools.psd.tagged_blocks import TaggedBlocks

from psdstudio.core.document import Document
from psdstudio.core.layers import LayerProps, PixelLayer
from psdstudio.core.tiles import U8Array
from psdstudio.errors import FileUnsupported
from psdstudio.io.credits import library_credits
from psdstudio.io.files import SAFE, atomic_write
from psdstudio.io.psd_foreign import restore_document
from psdstudio.io.psd_records import (
    WrittenRecord,
    can_be_background,
    layer_info,
    layer_records,
    psd_layer_ids,
)
from psdstudio.io.psd_resources import image_resources
from psdstudio.io.psd_verify import verify_psd
from psdstudio.io.xmp import xmp_packet
from psdstudio.render.compositor import Compositor, render_over

MAX_PSD_SIDE_PX = 30_000
MAX_PSD_BYTES = 2**31 - 2**20
MAX_RECORDS = 8_000
PSB_SUFFIX = ".psb"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How to write. `big` asks for the large format (PSB), which a `.psb` name does too.

    `credits_lines` come on top of those that the document's library drawings ask for.
    """

    strip_prompts: bool = False
    credits_lines: tuple[str, ...] = ()
    big: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written; `losses` are sentences on everything that the PSD does not hold as the document does."""

    layers: int
    size_bytes: int
    is_psb: bool
    has_background: bool
    losses: tuple[str, ...]


def export_psd(
    document: Document, target: Path | BinaryIO, options: ExportOptions = ExportOptions()
) -> ExportReport:
    """Write a document as PSD (or PSB), completely or not at all, and read it back before it counts.

    Raises:
        FileUnsupported: The document is beyond what the chosen format holds.
        FileWriteFailed: It could not be written, or did not read back as meant; the old file is untouched.
    """
    big = options.big or (isinstance(target, Path) and target.suffix.lower() == PSB_SUFFIX)
    psd, written, losses = _build(document, options, version=2 if big else 1)
    if isinstance(target, Path):
        atomic_write(target, psd.write, verify=lambda staged: _verify_file(staged, psd, written))
        size_bytes = target.stat().st_size
    else:
        # The records are written with their lengths filled in afterwards, which a plain stream cannot do.
        buffer = io.BytesIO()
        psd.write(buffer)
        verify_psd(buffer, psd, written)
        size_bytes = target.write(buffer.getvalue())
    return ExportReport(
        layers=sum(1 for _ in document.walk()),
        size_bytes=size_bytes,
        is_psb=big,
        has_background=can_be_background(document),
        losses=tuple(losses),
    )


def _verify_file(path: Path, psd: PSD, written: list[WrittenRecord]) -> None:
    with open(path, "rb") as file:
        verify_psd(file, psd, written)


def _build(
    document: Document, options: ExportOptions, *, version: int
) -> tuple[PSD, list[WrittenRecord], list[str]]:
    _check_size(document, version)
    losses: list[str] = []
    if not document.layers:
        document = document.with_layers((PixelLayer(props=LayerProps(name="Layer 1")),))
        losses.append("An empty layer was added: a PSD cannot be without layers.")
    written = layer_records(document, version)
    losses += [loss for one in written for loss in one.losses]
    if len(written) > MAX_RECORDS:
        raise FileUnsupported(
            f"The document has more than {MAX_RECORDS:,} layers, which Photoshop cannot open.",
            f"{SAFE} Merge some layers first.",
        )
    rgba = Compositor().render(document, document.canvas)
    transparent = bool((rgba[..., 3] < 255).any())
    matted = render_over(rgba, (255, 255, 255))  # what Photoshop stores as the merged colour
    header = FileHeader(
        version=version, channels=4 if transparent else 3, height=document.size.height,
        width=document.size.width, depth=8, color_mode=ColorMode.RGB,
    )  # fmt: skip
    credits_lines = (*library_credits(document), *options.credits_lines)
    xmp = xmp_packet(document, strip_prompts=options.strip_prompts, credits_lines=credits_lines)
    resources = image_resources(
        matted_rgb=matted, resolution_dpi=document.resolution_dpi, xmp=xmp, transparent=transparent,
        id_seed=max(psd_layer_ids(document).values()),
    )  # fmt: skip
    tagged_blocks = TaggedBlocks()
    restore_document(document, resources, tagged_blocks)
    psd = PSD(
        header=header,
        color_mode_data=ColorModeData(),
        image_resources=resources,
        layer_and_mask_information=LayerAndMaskInformation(
            layer_info=layer_info(written, transparent=transparent),
            global_layer_mask_info=GlobalLayerMaskInfo(),
            tagged_blocks=tagged_blocks,
        ),
        image_data=_merged(matted, rgba[..., 3] if transparent else None, header),
    )  # fmt: skip
    _check_bytes(psd, written, version)
    return psd, written, losses


def _merged(matted: U8Array, alpha: U8Array | None, header: FileHeader) -> ImageData:
    planes = [matted[..., index] for index in range(3)] + ([] if alpha is None else [alpha])
    raw = np.stack(planes).tobytes()
    rows = header.height * header.channels
    data = compress(raw, Compression.RLE, header.width, rows, 8, header.version)
    return ImageData(compression=Compression.RLE, data=data)


def _check_size(document: Document, version: int) -> None:
    side = max(document.size)
    if version == 1 and side > MAX_PSD_SIDE_PX:
        raise FileUnsupported(
            f"A canvas of {document.size.width:,} × {document.size.height:,} px is too large for a PSD file.",
            f"{SAFE} Export it under a name that ends in .psb, the large format of Photoshop.",
        )


def _check_bytes(psd: PSD, written: list[WrittenRecord], version: int) -> None:
    total = len(psd.image_data.data) + sum(
        len(channel.data.data) for one in written for channel in one.channels
    )
    if version == 1 and total > MAX_PSD_BYTES:
        raise FileUnsupported(
            "The document has more than 2 GB of pixels, which is too much for a PSD file.",
            f"{SAFE} Export it under a name that ends in .psb, the large format of Photoshop.",
        )
