"""PSD files and flat pictures as the window sees them: open, write, and the words for what was lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from psdstudio.core.document import Document
from psdstudio.core.wording import counted
from psdstudio.io import psd_reader
from psdstudio.io.psd_report import ImportReport
from psdstudio.ui.dialogs.export import ExportChoice
from psdstudio.ui.panels.error_bar import Notice

if TYPE_CHECKING:
    from psdstudio.io.psd_export import ExportReport

PSD_EXTENSIONS = (".psd", ".psb")


def read_psd(path: Path) -> tuple[Document, ImportReport]:
    """Open a PSD as a document (any thread), read by a process of its own."""
    return psd_reader.read_psd(path)


def write_psd(doc: Document, choice: ExportChoice) -> ExportReport:
    """Write the document as the dialog was filled in (any thread)."""
    from psdstudio.io.psd_export import export_psd

    return export_psd(doc, choice.path, replace(choice.psd, strip_prompts=choice.strip_prompts))


def write_flat(doc: Document, choice: ExportChoice) -> None:
    """Write the picture of the canvas as PNG (any thread), with the same properties as a PSD."""
    from psdstudio.io.png_export import export_png

    export_png(doc, choice.path, strip_prompts=choice.strip_prompts)


def psd_notice(name: str, report: ImportReport) -> Notice:
    """Return what the bar says of a PSD that could not be taken over completely."""
    return Notice(
        message=f"“{name}” was opened; {counted(len(report.losses), 'thing')} could not be taken over as it was.",
        hint="The PSD itself is unchanged.",
        details="\n".join(report.losses),
        is_error=False,
    )


def psd_report_lines(report: ExportReport) -> tuple[str, ...]:
    """Return what the export dialog says of a written PSD."""
    size_mb = report.size_bytes / 2**20
    size = f"{size_mb:.1f} MB" if size_mb >= 1 else f"{size_mb * 1024:.0f} KB"
    lines = [f"{counted(report.layers, 'layer')} and groups, {size}, read back and compared."]
    lines += [*report.changes, *(report.losses or ("Nothing was lost.",))]
    return tuple(lines)
