"""The licence ledger of a pack and the attribution text made from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from psdstudio.training.assets.pack import Sprite
from psdstudio.training.assets.sources import BY_SOURCE, Model

FURNITURE: Final = "sweethome3d-furniture 1.8-1"
LICENCE_URLS: Final = {
    "MIT": "https://opensource.org/license/mit",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-3.0-US": "https://creativecommons.org/licenses/by/3.0/us/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
}

Entry = dict[str, str]


def entries(sprites: list[Sprite], models: dict[str, Model]) -> list[Entry]:
    """One entry per drawing: what it is, whence, by whom, under which terms, and who used it.

    Raises:
        ValueError: A licence is not among the allowed ones.
    """
    result: list[Entry] = []
    for sprite in sprites:
        if sprite.licence not in LICENCE_URLS:
            raise ValueError(f"{sprite.drawing}: licence {sprite.licence!r} is not allowed")
        if sprite.source == "procedural":
            continue
        model = models.get(sprite.drawing)
        package = BY_SOURCE.get(sprite.source)
        origin = f"{package.name} {package.version}" if package else FURNITURE
        result.append(
            {
                "noun": sprite.noun,
                "name": model.name if model else sprite.drawing,
                "drawing": sprite.drawing,
                "package": origin,
                "creator": sprite.creator,
                "licence": sprite.licence,
                "used_by": sprite.split,
            }
        )
    return result


def write(sprites: list[Sprite], models: dict[str, Model], path: Path, attribution: Path | None) -> None:
    """Writes the ledger JSON and, if asked, the attribution text."""
    ledger = entries(sprites, models)
    text = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in ledger)
    path.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    if attribution is not None:
        attribution.write_text(attribution_text(ledger), encoding="utf-8")


def attribution_text(ledger: list[Entry]) -> str:
    """The NOTICE section: a paragraph per drawing set, then each furniture model with creator and licence."""
    lines = [
        "# Drawings the embedded engine was trained and tested on",
        "",
        "The weights were learned from crops, relit and recoloured compositions of the drawings below.",
        "",
    ]
    for package in BY_SOURCE.values():
        used = [entry for entry in ledger if entry["package"] == f"{package.name} {package.version}"]
        if not used:
            continue
        trained = sum(entry["used_by"] == "train" for entry in used)
        purpose = f"{trained} of them trained the generator" if trained else "for testing only"
        lines.append(
            f"- `{package.name}` {package.version}: {package.creator}, {package.licence} "
            f"({LICENCE_URLS[package.licence]}); {len(used)} drawings, {purpose}."
        )
    lines += ["", f"## {FURNITURE} (Sweet Home 3D model libraries)", ""]
    rows = {
        (entry["creator"], entry["licence"], entry["name"])
        for entry in ledger
        if entry["package"] == FURNITURE
    }
    for creator, licence in sorted(
        {(row[0], row[1]) for row in rows}, key=lambda pair: (pair[0].lower(), pair[1])
    ):
        names = sorted(name for c, lic, name in rows if (c, lic) == (creator, licence))
        lines.append(f"- {creator}, {licence} ({LICENCE_URLS[licence]}): {', '.join(names)}.")
    return "\n".join(lines) + "\n"
