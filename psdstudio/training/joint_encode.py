"""Scenes as the network reads them: latents of all rows and states of their words, encoded once and kept on disk.

One safetensors file per scene in the cache folder, named by everything that it was made from, so that other files,
another base model or another size never meet an old entry. The cache is bounded: too small a bound is said before
anything is encoded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from psdstudio.errors import FileCorrupt, FileError, FileTooLarge, FileUnsupported, PromptError
from psdstudio.io.files import atomic_write
from psdstudio.training.joint_jitter import jittered
from psdstudio.training.joint_scenes import JointScene, NoScene, SceneSource, U8Array

FORMAT = "psdstudio.joint-scene/1"
MAX_SCENE_BYTES = 256 << 20
PARTS = ("latents", "kept", "jittered", "words", "pooled", "no_words", "no_pooled", "size")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedScene:
    """The r rows [composite, background, object 1 .. object K] of a scene; float32 on the processor.

    Attributes:
        latents: (r, 4, h, w) of the rows as they are to be made, times the VAE's scaling factor.
        kept: (r, 4, h, w) as others see them once they are kept (`SceneObject.kept`).
        jittered: (r, 4, h, w) as `kept`, of pictures that went through JPEG, other colours and a small shift.
        words: (r, n, 2048) token states.
        pooled: (r, 1280).
        no_words: (n, 2048) of a row that is told nothing.
        no_pooled: (1280,).
        size: (2,) height and width of the pictures in pixels.
    """

    latents: Tensor
    kept: Tensor
    jittered: Tensor
    words: Tensor
    pooled: Tensor
    no_words: Tensor
    no_pooled: Tensor
    size: Tensor

    @property
    def objects(self) -> int:
        """How many of the rows are objects."""
        return self.latents.shape[0] - 2


class SceneCoder(Protocol):
    """The encoders of a base model (`joint_base.BaseCoder`)."""

    @property
    def identity(self) -> str:
        """What changes with the weights."""

    def opaque(self, rgb: U8Array) -> Tensor:
        """Return the latents (4, h/8, w/8) of an opaque picture (h, w, 3)."""

    def transparent(self, rgba: U8Array) -> Tensor:
        """Return the latents (4, h/8, w/8) of a transparent picture (h, w, 4), straight."""

    def read(self, background: str, objects: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return words (r, n, c), pooled (r, p) and those of a row that is told nothing, (n, c) and (p,)."""


def encode_scene(scene: JointScene, coder: SceneCoder, rng: np.random.Generator) -> EncodedScene:
    """Encode all rows of a scene; `rng` draws the jitter."""
    composite, plates = scene.composite(), [item.rgba for item in scene.objects]
    kept = [item.kept for item in scene.objects]
    flat = [coder.opaque(composite), coder.opaque(scene.background)]
    whole = [coder.transparent(rgba) for rgba in plates]
    alike = [np.array_equal(before, after) for before, after in zip(plates, kept, strict=True)]
    seen = [
        made if same else coder.transparent(rgba) for made, same, rgba in zip(whole, alike, kept, strict=True)
    ]
    shaken = [coder.opaque(jittered(picture, rng)) for picture in (composite, scene.background)]
    shaken += [coder.transparent(jittered(rgba, rng)) for rgba in kept]
    words = coder.read(scene.background_words, tuple(item.words for item in scene.objects))
    return EncodedScene(
        latents=torch.stack([*flat, *whole]).float().cpu(),
        kept=torch.stack([*flat, *seen]).float().cpu(),
        jittered=torch.stack(shaken).float().cpu(),
        words=words[0].float().cpu(),
        pooled=words[1].float().cpu(),
        no_words=words[2].float().cpu(),
        no_pooled=words[3].float().cpu(),
        size=torch.tensor([scene.size.height, scene.size.width]),
    )


class SceneCache:
    """Encoded scenes in a folder.

    Args:
        folder: Made where it is missing.
        max_bytes: Bound of all scenes of one training together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def fill(
        self,
        source: SceneSource,
        coder: SceneCoder,
        *,
        share: tuple[int, int] = (0, 1),
        tell: Callable[[str], None] = print,
    ) -> None:
        """Encode what is not there yet of scenes `share[0]`, `share[0] + share[1]` and so on: one process's part.

        A document that holds no scene or cannot be read is told and left out.

        Raises:
            FileTooLarge: The scenes would take more than the bound; those encoded so far stay.
            FileWriteFailed: The folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for at in range(share[0], len(source), share[1]):
            path = self._path(source, coder.identity, at)
            if path.exists():
                continue
            seed = int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:8], "little")
            try:
                encoded = encode_scene(source.scene(at), coder, np.random.default_rng(seed))
            except (NoScene, FileError, PromptError) as fault:
                tell(f"Left out “{source.name(at)}”: {fault.user_message}")
                continue
            self._write(path, encoded, len(source))

    def paths(self, source: SceneSource, identity: str) -> tuple[Path, ...]:
        """Return the files of all scenes that could be encoded, in their order.

        Raises:
            FileUnsupported: There is none.
        """
        wanted = (self._path(source, identity, at) for at in range(len(source)))
        found = tuple(path for path in wanted if path.exists())
        if not found:
            raise FileUnsupported(
                "None of the documents can be trained on.",
                "Each needs an opaque background and at least one layer above it. Nothing was changed.",
            )
        return found

    def _path(self, source: SceneSource, identity: str, at: int) -> Path:
        made_of = f"{FORMAT}\0{identity}\0{source.stamp(at)}"
        return (
            self._folder
            / f"{hashlib.sha256(made_of.encode('utf-8', 'surrogatepass')).hexdigest()}.safetensors"
        )

    def _write(self, path: Path, scene: EncodedScene, count: int) -> None:
        packed = save(_packed(scene), {"format": FORMAT})
        # Scenes are much alike in size: the first one tells whether all will fit.
        if len(packed) * count > self._max_bytes:
            raise FileTooLarge(
                f"The encoded scenes would take about {len(packed) * count / 1e9:.1f} GB;"
                f" {self._max_bytes / 1e9:.1f} GB are allowed.",
                "Allow more with --cache-gb, or train on fewer or smaller scenes.",
            )
        atomic_write(path, lambda out: out.write(packed))


def load_scene(path: Path) -> EncodedScene:
    """Return an encoded scene.

    Raises:
        FileCorrupt: The file is not what `SceneCache` writes, or holds numbers that are none.
    """
    try:
        if path.stat().st_size > MAX_SCENE_BYTES:
            raise _damaged(path)
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("format") != FORMAT:
                raise _damaged(path)
            tensors = {name: file.get_tensor(name) for name in PARTS}
    except (OSError, SafetensorError) as exc:
        raise _damaged(path) from exc
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise _damaged(path)
    numbers = {name: tensor if name == "size" else tensor.float() for name, tensor in tensors.items()}
    scene = EncodedScene(**numbers)
    if scene.latents.ndim != 4 or scene.latents.shape != scene.kept.shape or scene.objects < 1:
        raise _damaged(path)
    return scene


def _packed(scene: EncodedScene) -> dict[str, Tensor]:
    """Half precision: latents of SDXL lie within ±10, so the error is below that of the VAE by far."""
    tensors = {name: getattr(scene, name) for name in PARTS}
    return {
        name: (tensor if name == "size" else tensor.half()).contiguous() for name, tensor in tensors.items()
    }


def _damaged(path: Path) -> FileCorrupt:
    return FileCorrupt(
        f"The encoded scene “{path.name}” is damaged.", "Delete it; it is made anew at the next start."
    )
