"""Which of the user's models belong together: IP-Adapters and the image encoders whose numbers they were trained on."""

from __future__ import annotations

from collections.abc import Iterable

from psdstudio.gen.model_files import ModelFile, ModelKind


def reads_with(adapter: ModelFile, encoder: ModelFile) -> bool:
    """Return whether an IP-Adapter fits an image encoder.

    A "plain" one reads the projected state of the picture (width "projection"), a "plus" one the states of its patches
    (width "width"); IP-Adapter, arXiv 2308.06721, and its published code.
    """
    what = "width" if adapter.fact("edition") == "plus" else "projection"
    width = adapter.fact("image_width")
    return width is not None and width == encoder.fact(what)


def reference_pair(models: Iterable[ModelFile]) -> tuple[ModelFile, ModelFile] | None:
    """Return the first IP-Adapter in the list that has an image encoder, and that; None when there is no such pair."""
    models = tuple(models)
    adapters = [model for model in models if model.kind is ModelKind.IP_ADAPTER]
    encoders = [model for model in models if model.kind is ModelKind.IMAGE_ENCODER]
    pairs = ((adapter, encoder) for adapter in adapters for encoder in encoders)
    return next((pair for pair in pairs if reads_with(*pair)), None)
