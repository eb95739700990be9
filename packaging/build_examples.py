"""Build tool: paint the example scenes of the empty window with the shipped weights.

`resources/examples/recipes.json` says what they show. Run it again whenever the weights change:
`PYTHONPATH=. python packaging/build_examples.py`. Each scene is made by the command `psdstudio generate`, so anybody
can make it again; `built.json` beside the scenes says on what arithmetic they were computed, since another processor
rounds otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from psdstudio.cli.main import main as command_line
from psdstudio.core.document import Document
from psdstudio.engine.network import has_fast_bfloat16
from psdstudio.io.project import load_project, save_project

RESOURCES = Path(__file__).resolve().parent.parent / "resources"
MAX_RESOURCES_MB = 43.0


def arithmetic() -> str:
    """What the last bits of a picture depend on besides the request."""
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, bfloat16 {has_fast_bfloat16()}"


def paint(sentence: str, *, seed: int, size: str, threads: int, to: Path) -> None:
    """Generate one scene by the command line; raises SystemExit when that fails."""
    words = [
        "generate",
        sentence,
        "--seed",
        str(seed),
        "--size",
        size,
        "--threads",
        str(threads),
        "-o",
        str(to),
    ]
    code = command_line(words)
    if code != 0:
        raise SystemExit(code)


def without_marks(document: Document) -> Document:
    """Return the document as one that was opened, not just painted: no layer is marked as new."""
    for layer in document.walk():
        if layer.part is not None and layer.part.is_new:
            # Looked up anew: a group met earlier was replaced together with what it holds.
            current = document.layer(layer.id)
            assert current.part is not None
            document = document.with_layer(replace(current, part=replace(current.part, is_new=False)))
    return document


def main() -> int:
    """Paint all scenes, or those whose files are named; exit code 1 when the resources grow too large."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=RESOURCES / "examples")
    parser.add_argument("--only", help="part of the file's name")
    args = parser.parse_args()
    recipes = json.loads((args.folder / "recipes.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for recipe in recipes["examples"]:
            if args.only is not None and args.only.casefold() not in recipe["file"].casefold():
                continue
            fresh = Path(folder) / recipe["file"]
            paint(
                recipe["sentence"],
                seed=recipe["seed"],
                size=recipes["size"],
                threads=recipes["threads"],
                to=fresh,
            )
            target = args.folder / recipe["file"]
            target.unlink(missing_ok=True)  # saving over a project keeps the room its old tiles took
            save_project(without_marks(load_project(fresh)), target)
    (args.folder / "built.json").write_text(
        json.dumps({"arithmetic": arithmetic()}, indent=1) + "\n", encoding="utf-8"
    )
    scenes = sum(path.stat().st_size for path in args.folder.glob("*.psdstudio")) / 1e6
    total = sum(path.stat().st_size for path in RESOURCES.rglob("*") if path.is_file()) / 1e6
    print(f"examples {scenes:.1f} MB, resources {total:.1f} MB of {MAX_RESOURCES_MB:.0f}")
    return 0 if total <= MAX_RESOURCES_MB else 1


if __name__ == "__main__":
    sys.exit(main())
