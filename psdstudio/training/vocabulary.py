"""Write the vocabulary that ships: the nouns that the network was trained on and that passed the evaluation.

`python -m psdstudio.training.vocabulary --nouns psdstudio/training/nouns.json --to resources/vocabulary.json`, once
there is an evaluation with `--accuracy runs/evaluation/evaluation.json --threshold 0.5` (its table "per noun").
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from psdstudio.training.sprites import NOUNS_FILE, VOCABULARY_FILE

FIELDS = ("noun", "plural", "synonyms")
"""What the planner's lexicon reads of an entry."""


def shipped_entries(
    entries: Sequence[Mapping[str, Any]],
    core: Sequence[str],
    with_reference: Sequence[str],
    pictured: Collection[str],
    accuracy: Mapping[str, float] | None = None,
    threshold: float = 0.0,
) -> list[dict[str, Any]]:
    """Return the entries to ship, in the order of `entries`.

    A core noun ships when its share of right looks reaches `threshold`. Nouns trained beside a reference are drawn
    from the library's picture: without one in `pictured` they ship only when the evaluation says that they pass.

    Raises:
        ValueError: a noun is in no entry, or the evaluation says nothing of a core noun.
    """
    known = {str(entry["noun"]) for entry in entries}
    if unknown := sorted({*core, *with_reference} - known):
        raise ValueError(f"not in the vocabulary of the training material: {', '.join(unknown)}")
    if accuracy is not None and (unjudged := sorted(set(core) - accuracy.keys())):
        raise ValueError(f"not in the evaluation: {', '.join(unjudged)}")
    chosen = {*core, *with_reference}
    shares = accuracy or {}
    trusted = {*core, *pictured}  # as long as the evaluation says nothing else
    passed = {noun for noun in chosen if shares.get(noun, float(noun in trusted)) >= max(threshold, 1e-6)}
    return [
        {name: entry[name] for name in FIELDS} | {"with_reference": entry["noun"] not in core}
        for entry in entries
        if entry["noun"] in passed
    ]


def read_accuracy(path: Path) -> dict[str, float]:
    """Return noun -> share of right looks, 0..1, from an evaluation report or from a plain table.

    Raises:
        ValueError: the file holds neither.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    table = data.get("per noun", data)
    shares = {
        noun: row["right"] if isinstance(row, dict) and "right" in row else row for noun, row in table.items()
    }
    if not shares or not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares.values()):
        raise ValueError(f"{path} holds no shares per noun; run the evaluation with --per-noun")
    return {noun: float(share) for noun, share in shares.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nouns", type=Path, default=NOUNS_FILE, help="lists `core` and `with_reference`")
    parser.add_argument("--to", type=Path, default=Path("resources/vocabulary.json"))
    parser.add_argument("--library", type=Path, default=Path("resources/library/library.json"))
    parser.add_argument("--accuracy", type=Path, help="evaluation.json with the table `per noun`")
    parser.add_argument(
        "--threshold", type=float, default=0.5, help="least share of right looks (default 0.5)"
    )
    args = parser.parse_args(argv)
    lists = json.loads(args.nouns.read_text(encoding="utf-8"))
    entries = json.loads(VOCABULARY_FILE.read_text(encoding="utf-8"))["nouns"]
    pictured = {item["noun"] for item in json.loads(args.library.read_text(encoding="utf-8"))["items"]}
    accuracy = None if args.accuracy is None else read_accuracy(args.accuracy)
    shipped = shipped_entries(
        entries, lists["core"], lists["with_reference"], pictured, accuracy, args.threshold
    )
    rows = ",\n  ".join(json.dumps(entry, ensure_ascii=False) for entry in shipped)
    args.to.write_text(f'{{"version": 1,\n "nouns": [\n  {rows}\n ]}}\n', encoding="utf-8")
    total = len(lists["core"]) + len(lists["with_reference"])
    print(f"{args.to}: {len(shipped)} of {total} nouns")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
