"""Write the model card: `python -m psdstudio.training.card --evaluation training_data/eval/evaluation.json`.

Everything in it comes from files: the weights' own metadata, the ledger of drawings, the reports of
`psdstudio.training.evaluate` (several may be named; for the same figure the last one counts). A figure that was
measured on other weights than the ones at hand says so. The product shows the card under Help.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psdstudio.engine.rows import MAX_OBJECTS
from psdstudio.training.assets.ledger import Entry
from psdstudio.training.card_facts import (
    GOALS,
    LIBRARY,
    NEIGHBOURS,
    RENDERED,
    STAGES,
    TEXT,
    TRACED,
    Goal,
    NetworkFile,
    in_use,
    material_rows,
    network_file,
)
from psdstudio.training.evaluation_baselines import CLEAN_AGAINST_REPLACEMENT, KEPT_TABLE
from psdstudio.training.sprites import core_nouns, shipped_nouns

HARDWARE = "two CPU cores, no graphics card"
_PATH = re.compile(r"(?<![\w/:.\]])(?:/[\w.-]+){2,}|\b[A-Za-z]:\\\w")
_PLAIN_UNITS = ("dB", "degrees", "px of 128", "of 255", "seconds")
_OWN_NUMBERS = ("of the true one's", "work,", ": error")

Report = Mapping[str, Any]
Figure = Mapping[str, float]


def card_text(
    files: Sequence[NetworkFile], ledger: Sequence[Entry], reports: Sequence[Report], hardware: str
) -> str:
    """Return the whole card as markdown; `files`: the scene network first.

    Raises:
        ValueError: a path of this machine came in with one of the texts.
    """
    sections = [
        "# Model card: the embedded engine of PSDStudio",
        "A small joint diffusion network that paints a scene as separate layers: a background, and for every object"
        " its picture with transparency, its shadow and its reflection. A second, smaller network doubles and cleans"
        " every painted part.",
        *_networks(files),
        *_use(),
        *_training(files, hardware),
        *_material(ledger),
        *_goals(files[0], reports),
        *_limits(files[0], reports),
        *_measured(reports),
    ]
    text = "\n\n".join(sections) + "\n"
    if found := path_in(text):
        raise ValueError(f"the card would name a path of this machine: {found}")
    return text


def path_in(text: str) -> str | None:
    """Return the first thing in a text that looks like an absolute path of a machine; links are none."""
    found = _PATH.search(text)
    return found.group() if found else None


def _networks(files: Sequence[NetworkFile]) -> list[str]:
    rows = [
        [f.title, f.name, f"{f.numbers / 1e6:.1f} million", f"{f.size / 1e6:.1f} MB", f.sha256[:12]]
        for f in files
    ]
    return ["## The networks", _table(["network", "file", "parameters", "size", "SHA-256 begins"], rows)]


def _use() -> list[str]:
    return [
        "## What it is for",
        "Drafts and illustrations in layers, to be edited further in this program or in an editor of PSD files; on an"
        " ordinary computer, without a network connection.",
        "It is not for photographs, people, faces, writing, brands or logos: it was taught none of these. It is not"
        " for pictures that must be true: what it paints is made up.",
    ]


def _training(files: Sequence[NetworkFile], hardware: str) -> list[str]:
    rows = [
        [f.title, stage, STAGES.get(stage, stage), f"{count:,}"]
        for f in files
        for stage, count in f.trained.items()
    ]
    return [
        "## Training",
        f"Trained from nothing on {hardware}. No other network's weights are in it but the text encoder's"
        " (all-MiniLM-L6-v2, Apache-2.0), which was not trained further. Scenes are drawn at"
        " random and rendered while training.",
        _table(["network", "stage", "what it sees", "samples"], rows),
    ]


def _material(ledger: Sequence[Entry]) -> list[str]:
    used = in_use(ledger)
    trained = sum(entry["used_by"] == "train" for entry in used)
    return [
        "## Material and licences",
        f"{trained} drawings trained the networks, {len(used) - trained} others only test them. Grounds, skies, soft"
        " things such as smoke and glass, light and shadows are computed by this project. No photographs, nothing"
        " collected from the web, no people. All creators are named in the file NOTICE. This is no legal advice.",
        _table(["package", "by", "licence", "trained on", "only tested on"], material_rows(ledger)),
    ]


def _goals(scene: NetworkFile, reports: Sequence[Report]) -> list[str]:
    rows = [_goal_row(goal, reports) for goal in GOALS]
    known = len(shipped_nouns())
    rows.insert(
        2, ["nouns it knows", "1,000", "200", str(known), _verdict(float(known), 1000, 200, at_least=True)]
    )
    return [
        "## What was promised and what is there",
        "Measured on frozen prompts and seeds that training never drew. In brackets: 95 % intervals, by bootstrap over"
        " scenes.",
        _table(["figure", "goal", "least", "measured", ""], rows),
        *_about_reports(scene, reports),
    ]


FEWEST = 8
"""A figure from fewer scenes or objects reaches no goal: one lucky shadow would."""


def _goal_row(goal: Goal, reports: Sequence[Report]) -> list[str]:
    wanted = [_number(goal.goal, goal.unit), _number(goal.least, goal.unit)]
    figure = _figure(reports, goal.run, goal.figure)
    if figure is None:
        return [goal.title, *wanted, "not measured", ""]
    value = figure["low" if goal.at_least else "high"] if goal.certain else figure["value"]
    verdict = _verdict(value, goal.goal, goal.least, at_least=goal.at_least)
    if figure["n"] < FEWEST:
        verdict = f"too few to say (n = {figure['n']:.0f})"
    return [goal.title, *wanted, _with_interval(figure, goal.unit), verdict]


def _verdict(value: float, goal: float, least: float, *, at_least: bool) -> str:
    sign = 1 if at_least else -1
    if sign * value >= sign * goal:
        return "goal reached"
    return "enough" if sign * value >= sign * least else "missed"


def _about_reports(scene: NetworkFile, reports: Sequence[Report]) -> list[str]:
    lines = []
    for report in reports:
        parts = [
            name
            for name in (TEXT, LIBRARY, NEIGHBOURS, "verbs", "baselines", "ablations", RENDERED, TRACED)
            if name in report
        ]
        what = ", ".join(parts) or "nothing"
        lines.append(f"- {what}: {_which(scene, report)}.")
    judge = next((r["judge"] for r in reversed(reports) if "judge" in r), None)
    if judge is not None:
        share = _number(judge["heldout_top1"], "%")
        lines.append(
            "- Objects are named by a judge, a small network trained on other drawings. Its own error: it names"
            f" {share} of {judge['heldout_drawings']:.0f} drawings that neither it nor the engine has seen."
        )
    return ["\n".join(lines)] if lines else []


def _which(scene: NetworkFile, report: Report) -> str:
    if "ablations" in report and not report["weights_sha256"]:
        return "trained from nothing"
    if report["weights_sha256"] == scene.sha256:
        return "measured on these weights"
    seen = ", ".join(f"{name} {count:,}" for name, count in report["trained"].items())
    return f"measured on **other weights** than these ({report['weights_sha256'][:12]}; samples: {seen})"


def _measured(reports: Sequence[Report]) -> list[str]:
    """Return all figures, a table for every run, and both tables of the baselines."""
    out = []
    for run in (TEXT, LIBRARY, NEIGHBOURS):
        figures = _run(reports, run)
        if figures:
            out += [f"### Measured: {run}", _table(["figure", "value"], _figure_rows(figures))]
    out += _own_error(reports)
    for verb, figures in _last(reports, "verbs").items():
        out += [
            f"### Measured: {verb}, on rendered scenes",
            _table(["figure", "value"], _figure_rows(figures)),
        ]
    for name, kinds in _last(reports, "baselines").items():
        for kind, columns in kinds.items():
            out += [f"### Baselines: {name}, {kind}", _columns(columns)]
    ablations = _last(reports, "ablations")
    if ablations:
        said = "\n".join(f"- {name}: {words}." for name, words in ablations["said"].items())
        out += ["### Ablations: parts of the design taken away, in training and in painting", said]
        for kind in ("values", "differences"):
            out += [f"### Ablations, {kind}", _columns(ablations[kind])]
    return ["## All figures", *out] if out else []


def _last(reports: Sequence[Report], part: str) -> Mapping[str, Any]:
    """Return a part of the last report that has it."""
    found: Mapping[str, Any] = next((r[part] for r in reversed(reports) if part in r), {})
    return found


def _columns(columns: Mapping[str, Mapping[str, Figure]]) -> str:
    names = list(dict.fromkeys(figure for figures in columns.values() for figure in figures))
    rows = [[f, *(_cell(figures.get(f), f) for figures in columns.values())] for f in names]
    return _table(["figure", *columns], rows)


def _own_error(reports: Sequence[Report]) -> list[str]:
    """Return the table of what the measures say of true layers: of our own renderer's, and of path-traced ones."""
    runs = {"on rendered truth": _run(reports, RENDERED), "on path-traced scenes": _run(reports, TRACED)}
    columns = {title: figures for title, figures in runs.items() if figures}
    if not columns:
        return []
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures))
    rows = [[n, *(_cell(figures.get(n), n) for figures in columns.values())] for n in names]
    note = (
        "Path-traced things are seen from above and have depth: their lowest pixel lies before the line in which they"
        " meet the ground, so that many seem to float that stand."
    )
    return ["### Measured: the measures themselves, on true layers", note, _table(["figure", *columns], rows)]


def _limits(scene: NetworkFile, reports: Sequence[Report]) -> list[str]:
    core, known = len(core_nouns()), len(shipped_nouns())
    lines = [
        f"It knows {core} nouns from words alone and {known - core} more with the help of the picture library. Any"
        " other noun is painted as the nearest one it knows, and the prompt says so before the run.",
        f"A scene has at most {MAX_OBJECTS} objects.",
        "It paints in the style of the drawings it learned from: illustration, not photography. Fine patterns come out"
        " soft.",
    ]
    if scene.look_px is not None:
        lines.append(
            f"Objects are painted at {scene.look_px} pixels and doubled once by the second network; on a larger"
            " document they are enlarged, and the layer panel says so."
        )
    for run, figure, unit, said in (
        (TEXT, "colour as asked", "%", "A colour that is asked for comes out in {} of the cases."),
        (TEXT, "whole scene right", "%", "All objects of a scene are right in {} of the scenes."),
        (TEXT, "over-composite against predicted composite, dB", "dB",
         "The whole picture that it predicts and its layers put together agree to {} only."),
        (NEIGHBOURS, "all", "%", "In {} of the comparisons it prefers the true neighbours of a part to swapped ones."),
    ):  # fmt: skip
        found = _figure(reports, run, figure)
        if found is not None:
            lines.append(said.format(_number(found["value"], unit)))
    lines += [
        "A shadow falls on the ground; the shadow of one object on another one is not painted.",
        "Layers that are split off a flat picture show the picture's own pixels; where they end and what is hidden is"
        " painted.",
        "Soft inner edges are made steep after painting, by a rule and not by a network.",
        # True of weights that were trained on from those of the first version; not of weights trained from nothing.
        "The colours and lights that are kept from training now were not kept from the weights that it went on from.",
    ]
    return ["## Limits", "\n".join(f"- {line}" for line in lines)]


def _run(reports: Sequence[Report], run: str) -> Mapping[str, Figure]:
    """Return the figures of a run, a verb or a verdict from the last report that has it."""
    for report in reversed(reports):
        figures: Mapping[str, Figure] | None = report.get("verbs", {}).get(run)
        if run == CLEAN_AGAINST_REPLACEMENT and "baselines" in report:
            figures = report["baselines"].get(KEPT_TABLE, {}).get("verdict", {}).get(run)
        if run in report:
            figures = report[run].get("figures", report[run])
        if figures:
            return figures
    return {}


def _figure(reports: Sequence[Report], run: str, name: str) -> Figure | None:
    """Return a figure from the last report that has measured it."""
    for report in reversed(reports):
        figure: Figure | None = _run([report], run).get(name)
        if figure is not None and figure["n"] > 0:
            return figure
    return None


def _figure_rows(figures: Mapping[str, Figure]) -> list[list[str]]:
    return [[name, _cell(figure, name)] for name, figure in figures.items()]


def _cell(figure: Figure | None, name: str) -> str:
    if figure is None or figure["n"] == 0:
        return "-"
    if (
        any(words in name for words in _OWN_NUMBERS)
        or name.endswith(", %")
        or any(u in name for u in _PLAIN_UNITS)
    ):
        return f"{_with_interval(figure, '')}, n = {figure['n']:.0f}"
    return f"{_with_interval(figure, '%')}, n = {figure['n']:.0f}"


def _with_interval(figure: Figure, unit: str) -> str:
    low, high = (
        _number(figure[key], unit if unit == "%" else "").removesuffix(" %") for key in ("low", "high")
    )
    return f"{_number(figure['value'], unit)} [{low} to {high}]"


def _number(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.3g} %" if 0 < abs(value) < 0.1 else f"{100 * value:.1f} %".replace(".0 ", " ")
    return f"{value:.3g} {unit}".strip()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    out = argparse.ArgumentParser(description=__doc__)
    out.add_argument("--weights", type=Path, default=Path("resources/model/scene.safetensors"))
    out.add_argument("--detail", type=Path, default=Path("resources/model/detail.safetensors"))
    out.add_argument("--ledger", type=Path, default=Path("training_data/ledger.json"))
    out.add_argument(
        "--evaluation", type=Path, nargs="*", default=[], help="reports; the last one counts most"
    )
    out.add_argument("--hardware", default=HARDWARE, help="what trained the networks, in plain words")
    out.add_argument("--out", type=Path, default=Path("resources/model/CARD.md"))
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and write the card."""
    args = parser().parse_args(arguments)
    files = [network_file(args.weights, "joint network"), network_file(args.detail, "detail network")]
    ledger = json.loads(args.ledger.read_text(encoding="utf-8"))
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in args.evaluation]
    text = card_text(files, ledger, reports, args.hardware)
    args.out.write_text(text, encoding="utf-8")
    print(f"{args.out}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
