"""The options of `export` that a PSD alone has, from the command line to the writer."""

from __future__ import annotations

import argparse

from psdstudio.core.document import Document
from psdstudio.core.layers import LayerId
from psdstudio.core.wording import listed
from psdstudio.errors import CommandError
from psdstudio.io.psd_options import ExportOptions, MaskStyle

_SUFFIXES = (".psd", ".psb")


def add_psd_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that shape a PSD."""
    group = parser.add_argument_group("for PSD files")
    group.add_argument(
        "--only", action="append", default=[], metavar="NAME",
        help="this layer or group alone, with the groups around it; repeatable",
    )  # fmt: skip
    group.add_argument(
        "--compatible", action="store_true",
        help="no fill opacity, no opacity of groups, no clipping: the same picture by means that every program reads",
    )  # fmt: skip
    group.add_argument(
        "--masks", choices=[style.value for style in MaskStyle], default=MaskStyle.KEEP.value,
        help="keep them, bake them into transparency, or make masks of transparency (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--live-shadows",
        action="store_true",
        help="drop shadow effects in place of the shadow layers of objects",
    )


def psd_options(arguments: argparse.Namespace, document: Document) -> ExportOptions:
    """Return the options as given.

    Raises:
        CommandError: A name is of no layer, or one of the options is given for a file that is no PSD.
    """
    options = ExportOptions(
        strip_prompts=arguments.strip_prompts,
        only=_layers_named(document, arguments.only) if arguments.only else None,
        masks=MaskStyle(arguments.masks),
        compatible=arguments.compatible,
        live_shadows=arguments.live_shadows,
    )
    is_psd = arguments.output.suffix.lower() in _SUFFIXES
    if not is_psd and options != ExportOptions(strip_prompts=arguments.strip_prompts):
        raise CommandError(
            "--only, --compatible, --masks and --live-shadows shape a PSD.",
            "Nothing was written. Give an output that ends in .psd or .psb, or leave them out.",
        )
    return options


def _layers_named(document: Document, names: list[str]) -> frozenset[LayerId]:
    ids: set[LayerId] = set()
    for name in names:
        wanted = name.strip().casefold()
        found = [layer.id for layer in document.walk() if layer.props.name.casefold() == wanted]
        if not found:
            there = listed(list(dict.fromkeys(layer.props.name for layer in document.walk())))
            raise CommandError(f"There is no layer “{name}”.", f"There are: {there or 'none'}.")
        ids.update(found)
    return frozenset(ids)
