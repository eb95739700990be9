"""Opens damaged projects, PSDs and pictures in a limited process: nothing may crash, hang, grow or write elsewhere.

`python -m tests.fuzz --count 100000 --seed 1 --state FILE` goes on where it stopped. Every input follows from seed and
number alone (`--only N` opens a single one again). What failed is kept in the folder `--failures`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psdstudio.io.files import atomic_write
from tests.fuzz import byte_mutations
from tests.fuzz.inputs import INPUTS
from tests.fuzz.opening import Opener

_NOTE_EVERY = 100


@dataclass(slots=True)
class Progress:
    """What was done: `seen` counts outcomes by kind; `failures` says which inputs failed and how."""

    done: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path | None) -> Progress:
        """Return what a file notes; nothing done when there is none."""
        if path is None or not path.exists():
            return cls()
        noted = json.loads(path.read_text(encoding="utf-8"))
        return cls(noted["done"], Counter(noted["seen"]), noted["failures"])

    def note(self, path: Path | None) -> None:
        """Write it down."""
        if path is not None:
            noted = {"done": self.done, "seen": dict(self.seen), "failures": self.failures}
            atomic_write(path, lambda out: out.write(json.dumps(noted, indent=1).encode()))


def damaged(seed: int, number: int, kinds: Sequence[str]) -> tuple[str, bytes]:
    """Return the kind and the bytes of one input."""
    rng = random.Random(f"{seed} {number}")
    kind = rng.choices(kinds, [INPUTS[kind].share for kind in kinds])[0]
    source = INPUTS[kind]
    original = rng.choice(source.originals())
    change = source.damage if rng.random() < 0.6 else byte_mutations.mutations
    return kind, change(rng.randrange(2**32), original)


def run(
    numbers: range, *, seed: int, kinds: Sequence[str], progress: Progress, state: Path | None, failures: Path
) -> None:
    """Open the inputs of these numbers, one after another."""
    start, first = time.monotonic(), numbers.start
    with tempfile.TemporaryDirectory(prefix="psdstudio-fuzz-") as folder:
        opener = Opener(Path(folder))
        try:
            for number in numbers:
                kind, data = damaged(seed, number, kinds)
                path = Path(folder) / f"input{INPUTS[kind].suffix}"
                path.write_bytes(data)
                opened = opener.open(kind, path)
                progress.seen[f"{kind} {opened.outcome}"] += 1
                if opened.outcome == "failed":
                    _keep(failures, f"{seed}-{number}{path.suffix}", data, opened.what)
                    progress.failures.append(
                        f"{seed}-{number} {kind}: {opened.what.strip().splitlines()[-1][:200]}"
                    )
                progress.done = number + 1
                if progress.done % _NOTE_EVERY == 0:
                    progress.note(state)
                if progress.done % 2000 == 0:
                    rate = (progress.done - first) / (time.monotonic() - start)
                    print(f"{progress.done} done, {rate:.0f} a second, {dict(progress.seen)}", flush=True)
        finally:
            opener.close()
            progress.note(state)


def _keep(folder: Path, name: str, data: bytes, what: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    (folder / f"{name}.txt").write_text(what, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz as the command line asks; 0 when nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs in all (default 100000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--state", type=Path, help="file that says what is done; a second run goes on from there"
    )
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder for what failed")
    parser.add_argument("--kind", choices=INPUTS, action="append", help="only this kind; may be repeated")
    parser.add_argument(
        "--only", type=int, metavar="N", help="open this single input again, say what happens"
    )
    args = parser.parse_args(argv)
    kinds = args.kind or list(INPUTS)
    if args.only is not None:
        progress, state, numbers = Progress(), None, range(args.only, args.only + 1)
    else:
        progress, state = Progress.of(args.state), args.state
        numbers = range(progress.done, args.count)
    run(numbers, seed=args.seed, kinds=kinds, progress=progress, state=state, failures=args.failures)
    print(f"{progress.done} inputs: {dict(sorted(progress.seen.items()))}")
    for failure in progress.failures:
        print(f"FAILED {failure}")
    return 1 if progress.failures else 0


if __name__ == "__main__":
    sys.exit(main())
