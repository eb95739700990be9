"""Build tool: store the vectors of all known nouns as ``resources/noun_vectors.npz``, so the planner starts at once.

Run it again after the vocabulary or the text encoder changed; without it the planner computes what is missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.text_encoder import TextEncoder

RESOURCES = Path(__file__).resolve().parent.parent / "resources"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", type=Path, default=RESOURCES / "vocabulary.json")
    parser.add_argument("--out", type=Path, default=RESOURCES / "noun_vectors.npz")
    args = parser.parse_args()
    lexicon = Lexicon.load(args.vocabulary, TextEncoder.load(RESOURCES / "text_encoder"))
    print(f"{lexicon.store_vectors(args.out)} nouns, {args.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
