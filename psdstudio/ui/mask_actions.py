"""The actions of layer masks: add, switch off, apply, delete."""

from __future__ import annotations

from psdstudio.core.layers import Mask, PixelLayer
from psdstudio.ui.actions import ActionSpec, Need
from psdstudio.ui.window_api import Window


def mask_actions(window: Window) -> list[ActionSpec]:
    """Return them; `window` is only asked when one is triggered or wants to know whether it can."""
    edits = window.edits

    def mask() -> Mask | None:
        layers = edits.layers
        return layers[-1].mask if layers else None

    def is_on() -> bool:
        found = mask()
        return found is not None and found.enabled

    some = Need(lambda: bool(edits.layers), "Select a layer first.")
    has_mask = some & Need(lambda: mask() is not None, "The layer has no mask.")
    can_apply = has_mask & Need(is_on, "The mask is switched off.")

    return [
        ActionSpec(
            id="mask",
            text="Add layer mask",
            run=edits.add_mask,
            icon="mask",
            can=some & Need(lambda: mask() is None, "The layer has a mask already."),
            tip="Add a layer mask that shows everything",
        ),
        ActionSpec(
            id="mask_off",
            text="Disable layer mask",
            run=edits.switch_selected_mask,
            can=has_mask,
            checked=lambda: mask() is not None and not is_on(),
        ),
        ActionSpec(
            id="apply_mask",
            text="Apply layer mask",
            run=edits.apply_mask,
            can=can_apply
            & Need(
                lambda: isinstance(edits.layers[-1], PixelLayer),
                "Only a layer with pixels can take its mask in.",
            ),
        ),
        ActionSpec(id="unmask", text="Delete layer mask", run=edits.remove_mask, can=has_mask),
    ]
