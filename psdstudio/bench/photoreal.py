"""What rows of one scene cost in the photoreal engine's network, against the same rows each by itself.

A UNet of SDXL's own configuration with random weights (speed does not depend on what they are): at full size in
bfloat16 where there is a CUDA device, at half of its width or tiny anywhere. Measured in turns, with medians: a step of
joint rows (composite, background, one to six objects) against the unchanged UNet on the same rows; and a whole run that
regenerates one layer of five, the others remembered, against a joint run of all five. Words, VAE and transparent
decoding are left out there. "Counted" is the ratio of the arithmetic alone, counted on a UNet that has shapes and no
values. With `--caps` the whole model (words, network, VAE, transparent decoder) is placed in less and less memory.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from typing import Any

from psdstudio.bench.photoreal_figures import LAYERS, Figures, Work, counted_table, table

SUMMARY = "photoreal engine: joint rows against independent rows, one regenerated layer of five against all"
SIDES = {"full": 1024, "half": 512, "tiny": 128}
"""Pixels of the picture's side that a width of the network is measured at."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this measurement."""
    parser.add_argument(
        "--size", choices=tuple(SIDES),
        help="width of the network (default: full on a CUDA device, else tiny)",
    )  # fmt: skip
    parser.add_argument("--side", type=int, help="pixels of the picture's side, a multiple of 64")
    parser.add_argument(
        "--objects", type=int, nargs="+", choices=range(1, 7), default=list(range(1, 7)), metavar="N",
        help="numbers of objects beside composite and background (default: 1 to 6)",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=int, default=5, help="times each thing is measured (default: %(default)s)"
    )
    parser.add_argument(
        "--every", type=int, default=2, metavar="N",
        help="rows meet in every Nth block only (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--count", action="store_true",
        help="measure nothing: count the arithmetic (default: of the full size), with rows meeting in fewer blocks",
    )  # fmt: skip
    parser.add_argument(
        "--caps", type=float, nargs="+", default=[], metavar="GB",
        help="also place the whole model with no more memory than each of these (CUDA only), as in 8 12 16 24",
    )  # fmt: skip
    parser.add_argument(
        "--guided",
        action="store_true",
        help="two groups of rows in a batch, with and without words, as runs have",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print; exit code 1 when the published size misses a goal."""
    # torch and diffusers are imported here and not before: the other measurements share this command line.
    from psdstudio.bench.photoreal_plans import measure_plans
    from psdstudio.bench.photoreal_rows import count, measure
    from psdstudio.bench.photoreal_timing import has_cuda, machine

    size = args.size or ("full" if has_cuda() or args.count else "tiny")
    side = args.side or SIDES[size]
    if side % 64 or side < 64:
        print(f"no figures: {side} is not a multiple of 64", file=sys.stderr)
        return 2
    if args.count:
        shares = (1, 2) if size == "tiny" else (1, 2, 3)  # its blocks stand two in a row
        print(counted_table(count(size, side=side, objects=args.objects, shares=shares), size, side))
        return 0
    if args.caps and not has_cuda():
        print("no figures: only the memory of a CUDA device can be capped", file=sys.stderr)
        return 2
    work = Work(side=side, groups=2 if args.guided else 1, every=args.every, rounds=args.rounds)
    figures = measure(size, work, args.objects)
    if args.caps:
        figures = replace(figures, plans=measure_plans(size, work, LAYERS - 1, args.caps))
    if args.json:
        print(json.dumps({"machine": machine(), "photoreal": _as_values(figures)}, indent=2))
    else:
        print(table(figures))
    return 0 if figures.within_goals else 1


def _as_values(figures: Figures) -> dict[str, Any]:
    values = asdict(figures)
    for row, step in zip(values["steps"], figures.steps, strict=True):
        row["ratio"] = step.ratio
    values["cached"]["ratio"] = figures.cached.ratio
    values["cached"]["matched_ratio"] = figures.cached.matched_ratio
    return values
