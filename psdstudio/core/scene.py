"""What the user asked the whole picture to be: the sentence, the background's words, the light."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SEED = 2**63 - 1
"""The largest seed: a signed word of 64 bits, which every generator takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """The scene's light as the engine laid it out.

    `azimuth_deg`: direction towards which shadows fall, 0 = right, 90 = towards the viewer (down on the
    canvas). `elevation_deg`: height of the light, 90 = overhead. `softness` 0 (hard) .. 1 (overcast).
    `horizon` is the row of the horizon in fractions of the canvas height.
    """

    azimuth_deg: float
    elevation_deg: float
    softness: float
    horizon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The document's prompt: one sentence, and the light once an engine has laid it out."""

    prompt: str = ""
    seed: int = 1
    use_library: bool = True
    light: Light | None = None
