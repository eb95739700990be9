"""The command line of the measurements: one sub-command for each entry of `BENCHES`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psdstudio.bench import composite, files, files_project, generate, photoreal, psd_corpus, window


@dataclass(frozen=True, slots=True)
class Bench:
    """A sub-command: what it measures, its options, and the function that runs it and returns the exit code."""

    summary: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


BENCHES: dict[str, Bench] = {
    "composite": Bench(composite.SUMMARY, composite.add_options, composite.run),
    "files": Bench(files.SUMMARY, files.add_options, files.run),
    "generate": Bench(generate.SUMMARY, generate.add_options, generate.run),
    "photoreal": Bench(photoreal.SUMMARY, photoreal.add_options, photoreal.run),
    "project": Bench(files_project.SUMMARY, files_project.add_options, files_project.run),
    "psd_corpus": Bench(psd_corpus.SUMMARY, psd_corpus.add_options, psd_corpus.run),
    "window": Bench(window.SUMMARY, window.add_options, window.run),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement named on the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m psdstudio.bench", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, bench in BENCHES.items():
        sub = names.add_parser(name, help=bench.summary, description=bench.summary)
        sub.add_argument("--json", action="store_true", help="print the figures as JSON")
        bench.add_options(sub)
    args = parser.parse_args(argv)
    return BENCHES[args.name].run(args)


if __name__ == "__main__":
    sys.exit(main())
