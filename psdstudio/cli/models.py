"""`psdstudio models`: the list of the user's own models, from the command line."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from psdstudio.cli.progress import ProgressBar
from psdstudio.core.wording import listed
from psdstudio.errors import CommandError, ModelError, ModelLoadFailed
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.models.adding import Findings, find_models, merged, nothing_found
from psdstudio.models.readiness import missing_for_photoreal, optional_for_photoreal
from psdstudio.models.reading import Progress
from psdstudio.models.store import load_models, save_models
from psdstudio.models.verifying import verify_model
from psdstudio.settings import Folders

Outcome = dict[str, Any]
KINDS: Mapping[str, ModelKind] = MappingProxyType(
    {kind.name.lower().replace("_", "-"): kind for kind in ModelKind}
)
_MAX_NOTES = 10
_KINDS_EPILOG = textwrap.fill("kinds: " + ", ".join(KINDS), 100, break_on_hyphens=False) + "\n"
_FACTS_IN_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "numbers": "{}",
        "rank": "rank {}",
        "method": "{}",
        "steps": "{} steps",
        "edition": "{} edition",
        "distilled": "distilled: {}",
        "told_by": "told by {}",
    }
)


def add_models_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `models` and what it can do."""
    top = commands.add_parser(
        "models",
        help="list, add, remove or verify the model files of the photoreal engine",
        description="The list of your own models. The files stay where they are.",
        allow_abbrev=False,
    )
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser(
        "add",
        help="add a model file, a model's folder, or all models of a folder",
        description="Adds models: each is recognised by what is inside, and read whole once.",
        epilog=_KINDS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add.add_argument("path", type=Path, metavar="PATH", help="a .safetensors file or a folder")
    add.add_argument(
        "--kind", choices=sorted(KINDS), metavar="KIND", default=None,
        help="what the file is, where its tensors do not tell; see below",
    )  # fmt: skip
    listing = actions.add_parser("list", help="show the list, and what is missing", allow_abbrev=False)
    remove = actions.add_parser("remove", help="take a model off the list", allow_abbrev=False)
    remove.add_argument("title", metavar="TITLE", help="as “models list” shows it")
    verify = actions.add_parser("verify", help="read all models again and compare", allow_abbrev=False)
    for action in (add, listing, remove, verify):
        action.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run_models_command(arguments: argparse.Namespace) -> Outcome:
    """Do what `models ACTION` asks and return the outcome; `models_text` makes words of it.

    Raises:
        ModelError: A model cannot be used, or is not what it was.
        CommandError: There is no model of this title.
        SettingsError, FileWriteFailed: The list cannot be read or written.
    """
    return _ACTIONS[arguments.action](arguments, Folders.of_user())


def models_text(outcome: Outcome) -> str:
    """Return an outcome of `run_models_command` as lines of text."""
    lines = [outcome["headline"]] if "headline" in outcome else []
    kind = ""
    for model in outcome["models"]:
        if model["kind_name"] != kind:
            kind = model["kind_name"]
            lines.append(kind)
        lines.append(f"  {model['title']}: {', '.join([_bytes(model['bytes']), *_in_words(model['facts'])])}")
        lines.append(f"    {model['path']}" + ("" if model["is_there"] else " (not there any more)"))
    lines += outcome.get("missing", ())
    lines += ["Photoreal layers: ready."] if outcome.get("missing") == [] else []
    return "\n".join(lines)


def _add(arguments: argparse.Namespace, folders: Folders) -> Outcome:
    known = load_models(folders)  # first: a list that cannot be read is said before minutes are spent
    kind = None if arguments.kind is None else KINDS[arguments.kind]
    bar = ProgressBar.on(sys.stderr)
    try:
        found = find_models(
            arguments.path,
            kind=kind,
            progress=_drawing(bar, "Reading the models"),
        )
    finally:
        bar.clear()
    if not found.models:
        raise nothing_found(arguments.path, found)
    models = merged(known, found.models)
    save_models(folders, models)
    paths = {model.path for model in found.models}
    return {
        "models": _described([model for model in models if model.path in paths]),
        "missing": list(missing_for_photoreal(models)),
        "notes": _notes(found),
    }


def _notes(found: Findings) -> list[str]:
    """Say what was left out, and only the number of it where a folder is full of other programs' models."""
    notes = [f"{refusal.error} ({refusal.path})" for refusal in found.refusals[:_MAX_NOTES]]
    more = len(found.refusals) - len(notes)
    return [*notes, *([f"{more} more files are no models that PSDStudio can use."] if more else [])]


def _list(_: argparse.Namespace, folders: Folders) -> Outcome:
    models = load_models(folders)
    return {
        "models": _described(models),
        "missing": list(missing_for_photoreal(models)),
        "notes": list(optional_for_photoreal(models)) if models else [],
    }


def _remove(arguments: argparse.Namespace, folders: Folders) -> Outcome:
    models = load_models(folders)
    removed = [model for model in models if model.title == arguments.title]
    if not removed:
        titles = listed([f"“{model.title}”" for model in models]) if models else "none"
        raise CommandError(
            f"There is no model “{arguments.title}” in the list.", f"Nothing was changed. In it: {titles}."
        )
    save_models(folders, [model for model in models if model.title != arguments.title])
    return {"headline": "Taken off the list; the files are where they were:", "models": _described(removed)}


def _verify(_: argparse.Namespace, folders: Folders) -> Outcome:
    models = load_models(folders)
    bar = ProgressBar.on(sys.stderr)
    faults: list[ModelError] = []
    try:
        for model in models:
            verdict = verify_model(
                model,
                _drawing(bar, f"Reading {model.title}"),
            )
            faults += [verdict.error] if verdict.error is not None else []
    finally:
        bar.clear()
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise ModelLoadFailed(
            f"{len(faults)} of {len(models)} models cannot be used: {' '.join(map(str, faults))}",
            faults[0].hint,
        )
    return {"headline": "All as when they were added." if models else "The list is empty.", "models": []}


_ACTIONS: Mapping[str, Callable[[argparse.Namespace, Folders], Outcome]] = MappingProxyType(
    {"add": _add, "list": _list, "remove": _remove, "verify": _verify}
)


def _in_words(facts: Mapping[str, str]) -> list[str]:
    return [words.format(facts[name]) for name, words in _FACTS_IN_WORDS.items() if name in facts]


def _drawing(bar: ProgressBar, words: str) -> Progress:
    return lambda done, total: bar.draw(words, done / max(1, total), None)


def _described(models: tuple[ModelFile, ...] | list[ModelFile]) -> list[Outcome]:
    """Return models as JSON values, those of one kind beside one another."""
    order = list(ModelKind)
    names = {kind: name for name, kind in KINDS.items()}
    return [
        {
            "title": model.title,
            "kind": names[model.kind],
            "kind_name": model.kind.value,
            "path": model.path,
            "bytes": model.size_bytes,
            "sha256": model.sha256,
            "facts": dict(model.facts),
            "is_there": Path(model.path).exists(),
        }
        for model in sorted(models, key=lambda model: order.index(model.kind))
    ]


def _bytes(count: int) -> str:
    if count >= 1e9:
        return f"{count / 1e9:.2f} GB"
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
