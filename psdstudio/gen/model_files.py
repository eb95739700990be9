"""The user's own model files, as the program speaks of them: what each is, where it lies, and how an engine is set up.

Values only. Files are recognised by `gen.weights`, the list of them is kept by `psdstudio.models`, and the engine's
process is given the ones that it is to load.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from psdstudio.core.layers import LoraUse

__all__ = ["EngineSetup", "LoraUse", "ModelFile", "ModelKind", "PhotorealOptions"]


class ModelKind(Enum):
    """What a file or folder is, told by the names and shapes of its tensors; the value is what the window calls it."""

    SDXL_FOLDER = "SDXL model (folder)"
    SDXL_CHECKPOINT = "SDXL model (one file)"
    TRANSPARENT_ENCODER = "Transparent encoder"
    TRANSPARENT_DECODER = "Transparent decoder"
    TRANSPARENT_LORA = "Transparent layers (LoRA)"
    TRANSPARENT_OFFSET = "Transparent layers (offsets)"
    BACKGROUND_TO_BLEND = "Two layers: background to blend"
    BLEND_TO_FOREGROUND = "Two layers: blend to foreground"
    FOREGROUND_TO_BLEND = "Two layers: foreground to blend"
    BLEND_TO_BACKGROUND = "Two layers: blend to background"
    JOINT_ADAPTER = "Joint layers (trained adapter)"
    IP_ADAPTER = "Picture reference (IP-Adapter)"
    IMAGE_ENCODER = "Picture reference (image encoder)"
    LORA = "LoRA"
    ACCELERATION = "Acceleration (fewer steps)"
    QWEN_LAYERED = "Qwen-Image-Layered (folder)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One model of the user: `path` is absolute, a file or (for the kinds that say so) a folder.

    `sha256` is that of the file; of a folder that of the sorted "name sha256" lines of its weight files. `facts` are
    what was read from it while it was recognised, for example ("rank", "256") or ("steps", "8").
    """

    kind: ModelKind
    path: str
    sha256: str
    title: str
    size_bytes: int
    facts: tuple[tuple[str, str], ...] = ()

    def fact(self, name: str) -> str | None:
        """Return what was read from the file under this name; None when nothing was."""
        return next((value for key, value in self.facts if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotorealOptions:
    """What the user chooses about the photoreal engine as a whole.

    Attributes:
        acceleration: Title of a model file of kind ACCELERATION that is switched on; None for none (the default).
        upscale: Give layers of canvases larger than the model's own size a second, tiled pass.
        wide_joint: Let rows attend to one another at the 64x64 level too, not at 32x32 alone.
        compile: Compile the network with torch.compile: minutes at first, faster afterwards.
        memory_cap_gb: Use no more of the device's memory than this; None for what is free.
        side_px: Paint canvases at about the area of a square of this side. 1024 is what SDXL was trained at; less is
            faster and takes less memory, and comes out worse.
    """

    acceleration: str | None = None
    upscale: bool = True
    wide_joint: bool = False
    compile: bool = False
    memory_cap_gb: float | None = None
    side_px: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSetup:
    """What an engine is made with; the embedded one needs nothing of it."""

    models: tuple[ModelFile, ...] = ()
    photoreal: PhotorealOptions = field(default_factory=PhotorealOptions)

    def of_kind(self, *kinds: ModelKind) -> tuple[ModelFile, ...]:
        """Return the models of these kinds in the order of the list."""
        return tuple(model for model in self.models if model.kind in kinds)
