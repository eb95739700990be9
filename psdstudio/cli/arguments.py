"""The grammar of the command line. Wrong use ends here, with exit code 2."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from psdstudio import __version__
from psdstudio.cli.models import add_models_command
from psdstudio.cli.prompt_options import add_prompt_options
from psdstudio.cli.psd_options import add_psd_options
from psdstudio.core.geometry import BoxF, Size
from psdstudio.core.scene import MAX_SEED
from psdstudio.gen.catalogue import ENGINES
from psdstudio.gen.models import EMBEDDED_KEY
from psdstudio.gen.verbs import Verb
from psdstudio.io.formats import OUTPUT_SUFFIXES

_EPILOG = """\
Without a command, or with a file to open, the window starts.

exit codes: 0 done; 1 the words or the files are at fault; 2 wrong use of the command line;
3 the engine or its files are at fault; 130 stopped with Ctrl+C or a signal
"""


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "regenerate": Verb.REGENERATE_LAYER,
        "new-look": Verb.NEW_LOOK,
        "same-outline": Verb.SAME_OUTLINE,
        "new-place": Verb.NEW_PLACE,
        "contacts": Verb.REFRESH_CONTACTS,
        "fill-behind": Verb.FILL_BEHIND,
        "fill-hidden": Verb.FILL_HIDDEN,
    }
)
_VERBS_EPILOG = """\
verbs:
  regenerate    another look, and another place unless it was placed by hand
  new-look      another look in the same place
  same-outline  other colours in the same outline; shadow and reflection stay
  new-place     the same look in another place, with a new shadow and reflection
  contacts      a new shadow and reflection; without --layer wherever they no longer fit
  fill-behind   the transparent part of the background; without one, what is behind --layer
  fill-hidden   what objects in front cover of --layer
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `psdstudio`."""
    top = argparse.ArgumentParser(
        prog="psdstudio",
        description="Paints a scene as separate layers and hands over a PSD.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"PSDStudio {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    _generate(commands)
    _regenerate(commands)
    _change(commands)
    _split(commands)
    _export(commands)
    _info(commands)
    add_models_command(commands)
    return top


def _generate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser(
        "generate",
        help="make a scene from a sentence",
        description="Makes a scene: the sentence is split into layers, or the layers are named one by one.",
        allow_abbrev=False,
    )
    sub.add_argument("sentence", nargs="?", metavar="SENTENCE", help="what the picture shows")
    sub.add_argument("--background", metavar="TEXT", help="words of the background, instead of a sentence")
    sub.add_argument(
        "--object",
        action="append",
        default=[],
        metavar="TEXT",
        help="words of an object, back to front; repeatable",
    )
    sub.add_argument(
        "--size",
        type=_size,
        default=Size(1024, 768),
        metavar="WxH",
        help="canvas in pixels (default 1024x768)",
    )
    sub.add_argument(
        "--library",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="draw what the library holds from its picture (the default)",
    )
    _add_reference(sub)
    _add_run_options(sub)


def _regenerate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser(
        "regenerate",
        help="make everything anew that is not kept",
        description="Makes all layers of a project anew except those that are kept, which fit in with them.",
        allow_abbrev=False,
    )
    sub.add_argument("file", type=Path, metavar="FILE", help="a project (.psdstudio)")
    sub.add_argument(
        "--keep", action="append", default=[], metavar="NAME",
        help="an object to keep, or “background”; repeatable; adds to what is kept in the file",
    )  # fmt: skip
    _add_run_options(sub)


def _change(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser(
        "change",
        help="make one part of a project anew: another look, another place, holes filled",
        description="Changes single parts of a project; everything else stays as it is.",
        epilog=_VERBS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    sub.add_argument("file", type=Path, metavar="FILE", help="a project (.psdstudio)")
    sub.add_argument("--verb", choices=sorted(VERBS), required=True, help="what to do; see below")
    sub.add_argument(
        "--layer", action="append", default=[], metavar="NAME",
        help="the object (or “background”) that it is about; repeatable",
    )  # fmt: skip
    _add_reference(sub)
    _add_run_options(sub)


def _split(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser(
        "split",
        help="split a flat picture into layers",
        description="Splits a picture into a background and up to six objects; the picture stays as a hidden layer.",
        allow_abbrev=False,
    )
    sub.add_argument(
        "file", type=Path, metavar="FILE", help="a picture (PNG, JPEG, WebP, TIFF), project or PSD"
    )
    sub.add_argument("sentence", nargs="?", metavar="SENTENCE", help="what is in the picture")
    sub.add_argument("--background", metavar="TEXT", help="words of the background, instead of a sentence")
    sub.add_argument(
        "--object", action="append", default=[], metavar="TEXT", help="words of an object, back to front; repeatable"
    )  # fmt: skip
    sub.add_argument(
        "--box", action="append", type=_box, default=[], metavar="NAME=X,Y,W,H",
        help="where an object is: left, top, width and height in shares of the picture, as in fox=0.1,0.3,0.2,0.4",
    )  # fmt: skip
    _add_run_options(sub)


def _export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser(
        "export",
        help="write a project as PSD, OpenRaster, picture or sprites, or any of these files as a project",
        allow_abbrev=False,
    )
    sub.add_argument("file", type=Path, metavar="FILE", help="a project, PSD, OpenRaster file or picture")
    where = sub.add_mutually_exclusive_group(required=True)
    _add_output_file(where, required=False)
    where.add_argument(
        "--layers",
        type=Path,
        metavar="FOLDER",
        help="write every visible layer as a PNG, and layers.json, into a folder",
    )
    where.add_argument(
        "--sprites",
        type=_sheet,
        metavar="FILE.png",
        help="write every visible layer on one sheet, and a JSON beside it",
    )
    sub.add_argument(
        "--merge-objects", action="store_true", help="one sprite per object, its shadow included"
    )
    sub.add_argument("--hidden", action="store_true", help="with --layers or --sprites: hidden layers too")
    sub.add_argument(
        "--quality",
        type=_quality,
        default=None,
        metavar="N",
        help="1 to 100 for JPEG and WebP (a WebP without it is lossless)",
    )
    sub.add_argument(
        "--matte",
        type=_colour,
        default=(255, 255, 255),
        metavar="RRGGBB",
        help="what a JPEG shows where the picture is transparent (default ffffff)",
    )
    _add_strip(sub)
    add_psd_options(sub)
    _add_json(sub)


def _info(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser("info", help="list the layers of a file", allow_abbrev=False)
    sub.add_argument("file", type=Path, metavar="FILE", help="a project, PSD, OpenRaster file or picture")
    _add_json(sub)


def _add_run_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seed", type=_seed, default=None, metavar="N", help="same seed, same picture")
    add_prompt_options(sub)
    sub.add_argument(
        "--threads", type=_count, default=None, metavar="N", help="compute threads (default: all cores)"
    )
    sub.add_argument(
        "--engine", default=EMBEDDED_KEY, metavar="KEY",
        help="engine to use: " + ", ".join(card.key for card in ENGINES) + " (default: %(default)s)",
    )  # fmt: skip
    _add_output(sub)
    _add_json(sub)


def _add_reference(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--reference", action="append", type=_reference, default=[], metavar="NAME=FILE",
        help="a cut-out picture (PNG) that the look of this object follows, as in lamp=lamp.png; repeatable",
    )  # fmt: skip


def _add_output(sub: argparse.ArgumentParser) -> None:
    _add_output_file(sub, required=True)
    _add_strip(sub)


def _add_output_file(sub: argparse._ActionsContainer, *, required: bool) -> None:
    sub.add_argument(
        "-o", "--output", type=_output, required=required, metavar="FILE",
        help="where to write; the ending says what: " + ", ".join(OUTPUT_SUFFIXES),
    )  # fmt: skip


def _add_strip(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--strip-prompts",
        action="store_true",
        help="leave all words out of the properties of an exported file",
    )


def _add_json(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="print the outcome as JSON")


def _size(text: str) -> Size:
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (_is_number(width) and _is_number(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 1024x768")
    return Size(int(width), int(height))


def _reference(text: str) -> tuple[str, Path]:
    name, _, file = text.partition("=")
    if not name.strip() or not file:
        raise argparse.ArgumentTypeError(f"{text!r} is not a name and a file like lamp=lamp.png")
    return name.strip(), Path(file)


def _box(text: str) -> tuple[str, BoxF]:
    name, _, numbers = text.rpartition("=")
    try:
        x, y, width, height = (float(number) for number in numbers.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a box like fox=0.1,0.3,0.2,0.4") from None
    is_inside = all(0 <= side <= 1 for side in (x, y, x + width, y + height)) and width > 0 and height > 0
    if not name.strip() or not is_inside:
        raise argparse.ArgumentTypeError(f"{text!r} is not a name and a box within the picture (0 to 1)")
    return name.strip(), BoxF(x, y, width, height)


def _seed(text: str) -> int:
    if not _is_number(text) or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_SEED}")
    return int(text)


def _count(text: str) -> int:
    if not _is_number(text) or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000")
    return int(text)


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in OUTPUT_SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text!r} must end in one of {', '.join(OUTPUT_SUFFIXES)}")
    return path


def _sheet(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"{text!r} must end in .png; the JSON gets the same name")
    return path


def _quality(text: str) -> int:
    if not _is_number(text) or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 100")
    return int(text)


def _colour(text: str) -> tuple[int, int, int]:
    digits = text.removeprefix("#")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a colour like ffffff") from None
    return red, green, blue


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 30
