"""What the import of a foreign file tells beside the document. Light: the window has it without psd_tools."""

from __future__ import annotations

from dataclasses import dataclass

from psdstudio.core.document import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """`losses`: sentences on everything that looks or behaves otherwise than in the program that wrote the file."""

    layers: int
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPsd:
    """What the reading process hands back."""

    document: Document
    report: ImportReport
