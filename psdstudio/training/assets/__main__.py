"""`python -m psdstudio.training.assets`: fetch, pack, write the ledger; or write the reference library."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from safetensors.numpy import load_file

from psdstudio.errors import StudioError
from psdstudio.training.assets import ledger, library, notice, pack, sheet, sources
from psdstudio.training.assets.vocabulary import vocabulary

log = logging.getLogger("psdstudio.training.assets")


def main(arguments: list[str] | None = None) -> int:
    """Runs the build; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m psdstudio.training.assets", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("training_data"), help="folder of the pack")
    parser.add_argument("--sh3d", type=Path, help="folder of rendered furniture models with catalogue.json")
    parser.add_argument("--library", type=Path, help="write the reference library of a finished pack here")
    parser.add_argument(
        "--record",
        action="store_true",
        help="also write the repository's ledger; run `.assets.notice` after it",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if options.library is not None:
            library.write(options.out, options.library)
        else:
            if options.sh3d is None:
                parser.error("--sh3d is needed: furniture nouns have no other drawing")
            _build(options.out, options.sh3d, record=options.record)
    except StudioError as error:
        log.error("%s %s", error.user_message, error.hint)
        return 1
    return 0


def _build(out: Path, sh3d: Path, *, record: bool) -> None:
    sources.fetch(out / "packages")
    packages = sources.open_packages(out / "packages")
    models = sources.read_models(sh3d)
    sprites = pack.build(vocabulary(), packages, models, out)
    rgba = load_file(out / "sprites.safetensors")["rgba"]
    for split in ("train", "classifier", "heldout"):
        chosen = [sprite for sprite in sprites if sprite.split == split]
        sheet.contact_sheet(rgba, chosen).save(out / f"sheet_{split}.png")
        log.info("%s: %d drawings of %d nouns", split, len(chosen), len({s.noun for s in chosen}))
    ledger.write(ledger.entries(sprites, models, ledger.taught_nouns()), out / "ledger.json")
    if record:
        ledger.write_compact(sprites, models, notice.LEDGER)


if __name__ == "__main__":
    sys.exit(main())
