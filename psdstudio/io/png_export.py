"""Document to a flat PNG that says what a PSD says: how the picture was made, and whose drawings guided it."""

from __future__ import annotations

from pathlib import Path

from psdstudio.core.document import Document
from psdstudio.io.credits import library_credits
from psdstudio.io.images import write_png
from psdstudio.io.xmp import xmp_packet
from psdstudio.render.compositor import Compositor


def export_png(document: Document, path: Path, *, strip_prompts: bool = False) -> None:
    """Write the picture of the canvas, completely or not at all; `strip_prompts` leaves all words out of its XMP.

    Raises:
        FileWriteFailed: as `psdstudio.io.files.atomic_write`.
        ModelNotFound, ModelLoadFailed: as `library_credits`.
    """
    xmp = xmp_packet(document, strip_prompts=strip_prompts, credits_lines=library_credits(document))
    write_png(path, Compositor().render(document), resolution_dpi=document.resolution_dpi, xmp=xmp)
