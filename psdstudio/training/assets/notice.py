"""NOTICE's list of furniture models and ATTRIBUTION.md, written from the committed ledger.

`python -m psdstudio.training.assets.notice` writes both, `--check` says whether they agree with it.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from psdstudio.errors import FileCorrupt, StudioError
from psdstudio.training.assets.ledger import (
    FURNITURE,
    LICENCE_URLS,
    UNUSED,
    Entry,
    read_compact,
    taught_nouns,
)
from psdstudio.training.assets.sources import PACKAGES

HERE: Final = Path(__file__).parent
LEDGER: Final = HERE / "ledger.json"
ATTRIBUTION: Final = HERE / "ATTRIBUTION.md"
HEADING: Final = "Drawings\n--------\n"
"""Where NOTICE's generated section begins; it ends with the file."""
MIT: Final = """\
  Copyright (c) Microsoft Corporation.

  Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
  documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
  rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
  persons to whom the Software is furnished to do so, subject to the following conditions:

  The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
  Software.

  THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
  WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
  COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
  OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def section(ledger: Sequence[Entry]) -> str:
    """The text of NOTICE from HEADING to its end."""
    named = {entry["package"] for entry in _in_use(ledger)}
    packages = {p.source: f"{p.name} {p.version}" for p in PACKAGES if f"{p.name} {p.version}" in named}
    parts = [HEADING.rstrip("\n")]
    if fluent := [packages[source] for source in packages if source.startswith("fluent")]:
        parts.append(
            _wrap(f"Fluent Emoji, Microsoft (packages {_listed(fluent)}), MIT License:") + "\n\n" + MIT
        )
    if "noto" in packages:
        parts.append(
            _wrap(
                f"Noto Emoji, Google (package {packages['noto']}), Apache License 2.0, whose text is in LICENSE:"
                " rendered from vectors, cropped, and reduced to 128 x 128 pixels by this project."
            )
            + "\n"
        )
    if "twemoji" in packages:
        parts.append(
            _wrap(
                f"Twemoji, Twitter (package {packages['twemoji']}), CC BY 4.0 ({LICENCE_URLS['CC-BY-4.0']}): only tests"
                " the judge of the evaluation; no part of it is in this repository or was learned by the weights."
            )
            + "\n"
        )
    parts.append(
        _wrap(
            f"Models of the Sweet Home 3D furniture libraries (package {FURNITURE}), rendered with this project's"
            " lights. Those under CC BY only trained or tested the networks and are not in this repository; cropped,"
            " relit and recoloured for that."
        )
        + "\n"
    )
    parts += [_models(ledger, licence) for licence in sorted({e["licence"] for e in _models_of(ledger)})]
    return "\n".join(parts)


def attribution_text(ledger: Sequence[Entry]) -> str:
    """ATTRIBUTION.md: a line per drawing set, then each creator of furniture models with licence and models."""
    lines = [
        "# Drawings the embedded engine was trained and tested on",
        "",
        "The weights were learned from crops, relit and recoloured compositions of the drawings below.",
        "",
    ]
    for package in PACKAGES:
        used = [entry for entry in ledger if entry["package"] == f"{package.name} {package.version}"]
        if not used:
            continue
        counts = {who: sum(entry["used_by"] == who for entry in used) for who in ("train", UNUSED)}
        tested = len(used) - sum(counts.values())
        lines.append(
            f"- `{package.name}` {package.version}: {package.creator}, {package.licence} "
            f"({LICENCE_URLS[package.licence]}); {len(used)} drawings: {counts['train']} trained the generator,"
            f" {tested} are for testing only, {counts[UNUSED]} are not used yet."
        )
    lines += ["", f"## {FURNITURE} (Sweet Home 3D model libraries)", ""]
    for creator, licence, names in _creators(_models_of(ledger)):
        lines.append(f"- {creator}, {licence} ({LICENCE_URLS[licence]}): {', '.join(names)}.")
    return "\n".join(lines) + "\n"


def replaced(notice: str, ledger: Sequence[Entry]) -> str:
    """NOTICE with its generated section written anew.

    Raises:
        FileCorrupt: It has no such section.
    """
    before, found, _ = notice.partition(HEADING)
    if not found:
        raise FileCorrupt("NOTICE has no section “Drawings”.", "Its heading marks what this command writes.")
    return before + section(ledger)


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks both files; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m psdstudio.training.assets.notice", description=__doc__)
    parser.add_argument("--notice", type=Path, default=Path("NOTICE"))
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 where a file differs")
    options = parser.parse_args(arguments)
    try:
        ledger = read_compact(LEDGER, taught_nouns())
        wanted = {
            options.notice: replaced(options.notice.read_text(encoding="utf-8"), ledger),
            ATTRIBUTION: attribution_text(ledger),
        }
    except StudioError as error:
        print(f"{error.user_message} {error.hint}", file=sys.stderr)
        return 1
    stale = [path for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path} {'differs from the ledger' if options.check else 'written'}")
        if not options.check:
            new = path.with_name(f"{path.name}.new")
            new.write_text(wanted[path], encoding="utf-8")
            new.replace(path)
    return int(bool(stale) and options.check)


def _models(ledger: Sequence[Entry], licence: str) -> str:
    rows = [f"{licence} ({LICENCE_URLS[licence]})"]
    for creator, _, names in _creators([e for e in _models_of(ledger) if e["licence"] == licence]):
        rows.append(_wrap(f"{creator}: {', '.join(names)}.", first="  ", later="    "))
    return "\n".join(rows) + "\n"


def _creators(ledger: Sequence[Entry]) -> list[tuple[str, str, list[str]]]:
    """Creator, licence and the sorted names of their models, by creator."""
    named: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in ledger:
        named[entry["creator"], entry["licence"]].add(entry["name"])
    order = sorted(named, key=lambda pair: (pair[0].lower(), pair[1]))
    return [(creator, licence, sorted(named[creator, licence])) for creator, licence in order]


def _in_use(ledger: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in ledger if entry["used_by"] != UNUSED]


def _models_of(ledger: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in _in_use(ledger) if entry["package"] == FURNITURE]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _wrap(text: str, first: str = "", later: str = "") -> str:
    return "\n".join(
        textwrap.wrap(
            text,
            120,
            initial_indent=first,
            subsequent_indent=later,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
