"""WordBank: token states of captions, encoded once and kept (the text encoder is frozen).

`python -m psdstudio.training.words --data training_data` encodes every caption that training can draw ahead of time;
encoding on the fly would cost as much as the training step itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from psdstudio.gen.text_encoder import TextEncoder
from psdstudio.resources_path import resource_dir
from psdstudio.training.looks import all_object_words
from psdstudio.training.relations import relation_words
from psdstudio.training.sprites import SpriteLibrary, trained_nouns
from psdstudio.training.world import all_world_words

MAX_TOKENS = 16


class WordBank:
    """Caption -> (16, 384) token states and mask. One owner, one thread."""

    def __init__(self, encoder: TextEncoder | None = None) -> None:
        # Loaded when first needed: a GPU machine with the encoded captions at hand needs no tokenizer.
        self._encoder = encoder
        self._index: dict[str, int] = {"": 0}
        self._states: list[Tensor] = [torch.zeros(MAX_TOKENS, 384, dtype=torch.float16)]
        self._masks: list[Tensor] = [torch.zeros(MAX_TOKENS, dtype=torch.bool)]

    def save(self, folder: Path) -> None:
        """Write all captions and their states into words.safetensors and words.json."""
        states, masks = torch.stack(self._states), torch.stack(self._masks)
        save_file({"states": states, "masks": masks.to(torch.uint8)}, folder / "words.safetensors")
        (folder / "words.json").write_text(json.dumps(list(self._index)), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote; does nothing when the folder holds no such files."""
        if not (folder / "words.json").is_file():
            return
        captions = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "words.safetensors")
        self._index = {caption: i for i, caption in enumerate(captions)}
        self._states = list(tensors["states"])
        self._masks = list(tensors["masks"].bool())

    def __call__(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return states (n, 16, 384) float32 and mask (n, 16) bool; the empty caption is all zeros and no token."""
        missing = [c for c in dict.fromkeys(captions) if c not in self._index]
        if missing:
            self._encoder = self._encoder or TextEncoder.load(resource_dir("text_encoder"))
            states, mask = self._encoder.encode_tokens(missing, max_tokens=MAX_TOKENS)
            for caption, state, used in zip(missing, states, mask, strict=True):
                self._index[caption] = len(self._states)
                self._states.append(torch.from_numpy(np.asarray(state, np.float16)))
                self._masks.append(torch.from_numpy(np.asarray(used, np.bool_)))
        at = [self._index[c] for c in captions]
        states_out = torch.stack([self._states[i] for i in at]).float()
        return states_out, torch.stack([self._masks[i] for i in at])


def main() -> None:
    """Encode every caption of the trained nouns and of all worlds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("training_data"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    bank = WordBank()
    library = SpriteLibrary.load(args.data, "train", trained_nouns())
    captions = set(all_world_words())
    for name, sprites in library.by_noun.items():
        captions |= all_object_words(library.nouns[name], sprites)
        captions |= relation_words(library.nouns[name], library.by_noun)
    ordered = sorted(captions, key=len)  # alike lengths together: less padding
    for at in range(0, len(ordered), 512):
        bank(ordered[at : at + 512])
    bank.save(args.data)
    print(f"{len(ordered)} captions")


if __name__ == "__main__":
    main()
