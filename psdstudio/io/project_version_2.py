"""Reading version 2 of the project file: as version 3, but for negative words and LoRAs of parts, which it has not."""

from __future__ import annotations

import json


def migrated(text: str) -> str:
    """Return the manifest of version 3 that says what this one of version 2 says.

    Raises:
        ValueError, RecursionError: It is no JSON object. Anything else that is wrong is left for the schema to find.
    """
    manifest = json.loads(text)
    if not isinstance(manifest, dict):
        raise ValueError("the manifest is no object")
    _complete_parts(manifest.get("layers"))
    return json.dumps(manifest)


def _complete_parts(layers: object) -> None:
    for layer in layers if isinstance(layers, list) else ():
        if not isinstance(layer, dict):
            continue
        if isinstance(part := layer.get("part"), dict):
            part.setdefault("negative", "")
            part.setdefault("loras", [])
        _complete_parts(layer.get("children"))
