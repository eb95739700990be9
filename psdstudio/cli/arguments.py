"""The grammar of the command line. Wrong use ends here, with exit code 2."""

from __future__ import annotations

import argparse
from pathlib import Path

from psdstudio import __version__
from psdstudio.cli.documents import OUTPUT_SUFFIXES
from psdstudio.core.geometry import Size
from psdstudio.core.scene import MAX_SEED
from psdstudio.gen.models import EMBEDDED_KEY
from psdstudio.gen.request import Sampling

_EPILOG = """\
Without a command, or with a file to open, the window starts.

exit codes: 0 done; 1 the words or the files are at fault; 2 wrong use of the command line;
3 the engine or its files are at fault; 130 stopped with Ctrl+C or a signal
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
    _export(commands)
    _info(commands)
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
        help="let the engine be guided by pictures of its library (the default)",
    )
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


def _export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser(
        "export", help="write a project as PSD or PNG, or a PSD as a project", allow_abbrev=False
    )
    sub.add_argument("file", type=Path, metavar="FILE", help="a project (.psdstudio), PSD or PSB")
    _add_output(sub)
    _add_json(sub)


def _info(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = commands.add_parser("info", help="list the layers of a project or PSD", allow_abbrev=False)
    sub.add_argument("file", type=Path, metavar="FILE", help="a project, PSD or PSB")
    _add_json(sub)


def _add_run_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--seed", type=_seed, default=None, metavar="N", help="same seed, same picture")
    sub.add_argument("--steps", type=_count, default=Sampling().steps, metavar="N", help=argparse.SUPPRESS)
    sub.add_argument(
        "--threads", type=_count, default=None, metavar="N", help="compute threads (default: all cores)"
    )
    sub.add_argument(
        "--engine", default=EMBEDDED_KEY, metavar="KEY", help="engine to use (default: %(default)s)"
    )
    _add_output(sub)
    _add_json(sub)


def _add_output(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "-o", "--output", type=_output, required=True, metavar="FILE",
        help="where to write; the ending says what: " + ", ".join(OUTPUT_SUFFIXES),
    )  # fmt: skip
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


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 30
