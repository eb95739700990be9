"""The licence ledger: every foreign drawing, whence, by whom, under which terms, and who uses it.

A pack's folder holds it as a list of entries. The repository holds the same in a compact form, `ledger.json` beside
this file, from which `notice` writes NOTICE and ATTRIBUTION.md.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from psdstudio.errors import FileCorrupt
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
UNUSED: Final = "unused"
"""`used_by` of a drawing whose noun neither the generator nor the judge is taught yet."""

Entry = dict[str, str]
"""noun, name, drawing, package, creator, licence; used_by: "train", "classifier", "heldout" or UNUSED."""


def taught_nouns() -> frozenset[str]:
    """The nouns of `nouns.json`: taught now, or `earlier` to weights that those of today grew from."""
    lists = json.loads((files("psdstudio.training") / "nouns.json").read_text(encoding="utf-8"))
    return frozenset(noun for key in ("core", "with_reference", "earlier") for noun in lists[key])


def entries(sprites: Sequence[Sprite], models: Mapping[str, Model], taught: Collection[str]) -> list[Entry]:
    """One entry per drawing that is not computed by this project.

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
        result.append(
            {
                "noun": sprite.noun,
                "name": model.name if model else sprite.drawing,
                "drawing": sprite.drawing,
                "package": f"{package.name} {package.version}" if package else FURNITURE,
                "creator": sprite.creator,
                "licence": sprite.licence,
                "used_by": _used_by(sprite.noun, sprite.split, taught),
            }
        )
    return result


def write(ledger: Sequence[Entry], path: Path) -> None:
    """Writes the entries as a JSON list."""
    text = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in ledger)
    _replace(path, f"[\n{text}\n]\n")


def write_compact(sprites: Sequence[Sprite], models: Mapping[str, Model], path: Path) -> None:
    """Writes what `read_compact` reads: per noun and split the emoji drawings, and the models with their creators."""
    by_noun: dict[str, dict[str, Any]] = {}
    for sprite in sprites:
        if sprite.source == "procedural":
            continue
        row = by_noun.setdefault(sprite.noun, {"emoji": defaultdict(list), "models": []})
        if model := models.get(sprite.drawing):
            row["models"].append([model.slug, model.name, model.creator, model.licence, sprite.split])
        else:
            row["emoji"][sprite.split].append(f"{sprite.source}/{sprite.drawing}")
    lines = ",\n ".join(
        f"{json.dumps(noun)}: {json.dumps(row, ensure_ascii=False, separators=(',', ':'))}"
        for noun, row in by_noun.items()
    )
    _replace(path, f"{{\n {lines}\n}}\n")


def read_compact(path: Path, taught: Collection[str]) -> list[Entry]:
    """The entries of a compact ledger.

    Raises:
        FileCorrupt: The file is no compact ledger.
    """
    try:
        nouns = json.loads(path.read_text(encoding="utf-8"))
        return [
            entry
            for noun, row in nouns.items()
            for entry in [
                *_emoji_entries(noun, row["emoji"], taught),
                *_model_entries(noun, row["models"], taught),
            ]
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileCorrupt(f"The ledger of drawings cannot be read: {path}", str(error)) from error


def _emoji_entries(noun: str, by_split: Mapping[str, Sequence[str]], taught: Collection[str]) -> list[Entry]:
    found = []
    for split, drawings in by_split.items():
        for place in drawings:
            source, drawing = place.split("/", 1)
            package = BY_SOURCE[source]
            found.append(
                {
                    "noun": noun,
                    "name": drawing,
                    "drawing": drawing,
                    "package": f"{package.name} {package.version}",
                    "creator": package.creator,
                    "licence": package.licence,
                    "used_by": _used_by(noun, split, taught),
                }
            )
    return found


def _model_entries(noun: str, rows: Sequence[Sequence[str]], taught: Collection[str]) -> list[Entry]:
    return [
        {
            "noun": noun,
            "name": name,
            "drawing": slug,
            "package": FURNITURE,
            "creator": creator,
            "licence": licence,
            "used_by": _used_by(noun, split, taught),
        }
        for slug, name, creator, licence, split in rows
    ]


def _used_by(noun: str, split: str, taught: Collection[str]) -> str:
    return UNUSED if split != "heldout" and noun not in taught else split


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(path.suffix + ".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
