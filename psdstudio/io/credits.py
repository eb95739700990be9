"""Credits: whose drawings guided the layers of a document, as lines for the properties of an export."""

from __future__ import annotations

import json
from pathlib import Path

from psdstudio.core.document import Document
from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.resources_path import resource_dir

LIBRARY = "library/library.json"


def library_credits(document: Document, library: Path | None = None) -> tuple[str, ...]:
    """Return one line per creator and licence among the library drawings that the layers' recipes name.

    Args:
        document: Any document; without library drawings there is nothing to credit.
        library: The library's list, `resources/library/library.json` when not given.

    Raises:
        ModelNotFound, ModelLoadFailed: A recipe names a drawing but the list is missing or damaged.
    """
    used = {
        layer.part.recipe.library_item
        for layer in document.walk()
        if layer.part is not None and layer.part.recipe is not None and layer.part.recipe.library_item
    }
    if not used:
        return ()
    path = library or resource_dir(LIBRARY)
    try:
        items = json.loads(path.read_text("utf-8"))["items"]
        rows = {
            (item["creator"], item["licence"], item["noun"]) for item in items if used & set(_names(item))
        }
    except OSError as exc:
        raise ModelNotFound(f"The library list {path} cannot be read.", "Install PSDStudio again.") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise ModelLoadFailed(f"The library list {path} is damaged.", "Install PSDStudio again.") from exc
    creators = sorted({(creator, licence) for creator, licence, _ in rows})
    return tuple(
        f"Guided by drawings of {creator} ({licence}): "
        + ", ".join(sorted(noun for who, terms, noun in rows if (who, terms) == (creator, licence)))
        for creator, licence in creators
    )


def _names(item: dict[str, object]) -> tuple[str, str]:
    """A recipe may name a drawing by its noun or by its file."""
    return str(item["noun"]), str(item["drawing"])
