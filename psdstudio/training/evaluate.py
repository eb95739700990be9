"""Judge weights on frozen prompts: `python -m psdstudio.training.evaluate --protocol cpu`.

One command, one report: evaluation.json, evaluation.md and picture sheets in `--out`. `--protocol cpu` measures
everything that the model card shows in less than an hour of one core, `--protocol full` four times as many scenes;
whatever else is said on the command line counts more than the protocol.

Scenes: text alone, and with `--references` also guided by the picture library. Swapped neighbours: `--neighbours N`
scenes a part. Baselines, which paint with less of the joint design: `--baselines N` scenes. The other verbs on rendered
scenes: `--verbs N` scenes. Vocabulary: `--per-noun` paints four looks of every noun. Edges: `--edges N` scenes at
512 px. The measures' own error on rendered truth: `--calibrate N` scenes, on path-traced truth: `--traced N` scenes.
`--sheet` adds the sheet of scenes with seeds 1 to 40, taken apart into layers; `--sheet-only` writes nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from psdstudio.core.geometry import Size
from psdstudio.engine.delivery import clean_alpha
from psdstudio.engine.embedded import DETAIL_FILE, MODEL_FILE, EmbeddedEngine
from psdstudio.engine.network import SceneNet
from psdstudio.engine.weights import load_weights
from psdstudio.gen.request import Sampling
from psdstudio.resources_path import resource_dir
from psdstudio.training.classifier_names import same_thing
from psdstudio.training.classifier_net import Judge, load_judge
from psdstudio.training.evaluation_baselines import baselines_text, run_baselines
from psdstudio.training.evaluation_calibration import edge_figures, truth_figures
from psdstudio.training.evaluation_neighbours import swapped_neighbours
from psdstudio.training.evaluation_prompts import Prompt, frozen_prompts
from psdstudio.training.evaluation_protocols import PROTOCOLS, Minutes, with_protocol
from psdstudio.training.evaluation_report import Figures, markdown, scene_record, write_json, write_sheets
from psdstudio.training.evaluation_runs import paint_prompt
from psdstudio.training.evaluation_scenes import MeasuredScene, run_scene, summary
from psdstudio.training.evaluation_sheet import SHEET_SCENES, sheet_prompts, write_layer_sheet
from psdstudio.training.evaluation_traced import TRACED_FOLDER, traced_figures, traced_neighbours
from psdstudio.training.evaluation_verbs import measure_verbs, painting_with
from psdstudio.training.sheets import matted, sample_looks, write_sheet
from psdstudio.training.sprites import (
    SpriteLibrary,
    core_nouns,
    read_vocabulary,
    shipped_nouns,
    trained_nouns,
)
from psdstudio.training.traced_truth import TracedScene, read_traced
from psdstudio.training.words import WordBank

LOOKS_A_NOUN = 4
LOOK_SEED = 77
KEPT_EVERY = 5
"""Every fifth scene (one of three objects) also runs with layers kept, each object painted anew in turn."""
EDGE_CANVAS = Size(512, 512)
"""Objects of half its height or so have crops fine enough to show how sharp they were painted."""


def loaded_engine(weights: Path, detail: Path, threads: int) -> EmbeddedEngine:
    """Return the product's engine on these weights, with the shipped text encoder and library."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / MODEL_FILE).parent.mkdir(parents=True)
        (folder / MODEL_FILE).symlink_to(weights.resolve())
        (folder / DETAIL_FILE).symlink_to(detail.resolve())
        for part in ("text_encoder", "library"):
            (folder / part).symlink_to(resource_dir(part), target_is_directory=True)
        engine = EmbeddedEngine(folder, threads=threads)
        for _ in engine.load():
            pass
        # The library is read when first asked; its folder will be gone by then.
        if engine._library is not None:  # noqa: SLF001  # the evaluation is the engine's own workshop
            engine._library.find("")  # noqa: SLF001
    return engine


def run_prompts(
    engine: EmbeddedEngine, judge: Judge, prompts: Sequence[Prompt], *, use_library: bool, sampling: Sampling
) -> list[MeasuredScene]:
    """Run all prompts, telling how far it is."""
    scenes: list[MeasuredScene] = []
    for prompt in prompts:
        check = prompt.number % KEPT_EVERY == KEPT_EVERY - 1
        scene = run_scene(engine, judge, prompt, use_library=use_library, sampling=sampling, check_kept=check)
        scenes.append(scene)
        right = sum(o.right for s in scenes for o in s.objects)
        total = sum(len(s.objects) for s in scenes)
        print(f"{len(scenes)}/{len(prompts)} {scene.seconds:.1f} s, {right}/{total} right", flush=True)
    return scenes


def measure_edges(
    engine: EmbeddedEngine, prompts: Sequence[Prompt], *, use_library: bool, sampling: Sampling
) -> Figures:
    """Paint prompts on a large canvas and measure the edges of the solid objects."""
    looks = []
    for prompt in prompts:
        painted = paint_prompt(engine, prompt, use_library=use_library, sampling=sampling, size=EDGE_CANVAS)
        soft = {f"{o.noun} {i + 1}" for i, o in enumerate(prompt.objects) if o.soft}
        pairs = zip(painted.request.objects, painted.result.objects, strict=True)
        looks.append([o.look for part, o in pairs if o.look is not None and part.name not in soft])
        print(f"edges {len(looks)}/{len(prompts)}", flush=True)
    return edge_figures(looks)


@torch.no_grad()
def per_noun(
    net: SceneNet, judge: Judge, nouns: Sequence[str], *, px: int, steps: int, out: Path
) -> dict[str, Any]:
    """Paint four looks of every noun without a scene; return each noun's share right and what was seen instead."""
    bank, table, shown = WordBank(), {}, []
    for start in range(0, len(nouns), 8):
        part = nouns[start : start + 8]
        captions = [noun for noun in part for _ in range(LOOKS_A_NOUN)]
        painted = sample_looks(net, bank, captions, px=px, steps=steps, guidance=2.0, seed=LOOK_SEED + start)
        shown.append(painted)
        looks = (painted.clamp(-1, 1) + 1) / 2
        named = judge.name(torch.cat([looks[:, :3], clean_alpha(looks[:, 3:])], dim=1))
        for i, noun in enumerate(part):
            seen = named[LOOKS_A_NOUN * i : LOOKS_A_NOUN * (i + 1)]
            table[noun] = {"right": sum(same_thing(s, noun) for s in seen) / LOOKS_A_NOUN, "seen": seen}
        print(f"{len(table)}/{len(nouns)} nouns", flush=True)
    write_sheet(out / "per-noun.png", matted(torch.cat(shown)), 6 * LOOKS_A_NOUN)
    return table


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Do what the command line asks for; returns the report that was written."""
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    judge = load_judge(args.classifier)
    net, info = load_weights(args.weights)
    wanted = core_nouns() if args.nouns == "core" else shipped_nouns()
    nouns = [n for n in wanted if n in judge.names]
    report: dict[str, Any] = {
        "weights_sha256": info.sha256,
        "trained": info.trained,
        "look_px": info.look_px,
        "protocol": args.protocol,
        "judge": judge.figures,
        "nouns": {"set": args.nouns, "count": len(nouns), "with library": len(shipped_nouns())},
    }
    # Read first: a set that is not there must not be noticed after an hour of painting.
    traced = read_traced(args.traced_scenes, args.traced) if args.traced else []
    taught = [n for n in shipped_nouns() if n in judge.names]
    bench = Bench(args, judge, net, info.look_px, nouns, taught, report)
    bench.scenes()
    if args.neighbours:
        bench.neighbours()
    if args.baselines:
        bench.baselines()
    if args.verbs:
        bench.verbs()
    if args.per_noun:
        with bench.minutes.of("single looks"):
            steps = args.steps or Sampling().steps
            report["per noun"] = per_noun(net, judge, nouns, px=info.look_px, steps=steps, out=out)
    if args.calibrate:
        bench.calibration()
    if traced:
        bench.traced(traced)
    if args.sheet:
        with bench.minutes.of("sheet"):
            write_sheet_only(argparse.Namespace(**{**vars(args), "references": False}))
    report["minutes"] = bench.minutes.total
    report["minutes by part"] = bench.minutes.by_part
    report["peak_memory_mb"] = _peak_memory_mb()
    _write(out, report, bench.columns)
    return report


@dataclass(slots=True)
class Bench:
    """The parts of one evaluation: what they share, and the report and table columns that they fill."""

    args: argparse.Namespace
    judge: Judge
    net: SceneNet
    look_px: int
    nouns: Sequence[str]
    taught: Sequence[str]
    report: dict[str, Any]
    columns: dict[str, Figures] = field(default_factory=dict)
    minutes: Minutes = field(default_factory=Minutes)

    def scenes(self) -> None:
        """Paint the frozen prompts: the chosen nouns from words alone, all that are taught with the library."""
        args = self.args
        runs = [("text alone", False, args.count, self.nouns)] if args.count else []
        if args.references and args.count:
            runs.append(("with library", True, args.reference_count or args.count, self.taught))
        for name, use_library, count, nouns in runs:
            with self.minutes.of(name):
                prompts, engine = self._prompts(count, nouns), self._engine()
                scenes = run_prompts(
                    engine, self.judge, prompts, use_library=use_library, sampling=self._sampling
                )
                edged = prompts[: args.edges]
                edges = measure_edges(engine, edged, use_library=use_library, sampling=self._sampling)
                self.columns[name] = {**summary(scenes), **edges}
                self.report[name] = {
                    "figures": self.columns[name],
                    "scenes": [scene_record(s) for s in scenes],
                }
                write_sheets(args.out, name.replace(" ", "-"), scenes)

    def neighbours(self) -> None:
        """Compare right with swapped neighbours."""
        with self.minutes.of("swapped neighbours"):
            figures = swapped_neighbours(
                self.net, self._library(), WordBank(), scenes=self.args.neighbours, look_px=self.look_px
            )
        self.columns["right neighbours preferred"] = {
            f"free {k}" if k != "all" else k: v for k, v in figures.items()
        }
        self.report["swapped neighbours"] = figures

    def baselines(self) -> None:
        """Paint with less of the joint design."""
        with self.minutes.of("baselines"):
            prompts = self._prompts(self.args.baselines, self.nouns)
            made = run_baselines(self._engine(), self.judge, prompts, self._library(), self._sampling)
        self.report["baselines"] = made

    def verbs(self) -> None:
        """Run the other verbs on rendered scenes."""
        with self.minutes.of("verbs"):
            paint = painting_with(self._engine())
            made = measure_verbs(paint, self.judge, self._library(), self.args.verbs, self._sampling)
        self.report["verbs"] = made

    def calibration(self) -> None:
        """Measure rendered truth by drawings that training never saw."""
        with self.minutes.of("calibration"):
            library = SpriteLibrary.load(self.args.data, "heldout", self.nouns)
            self.columns["rendered truth"] = truth_figures(library, self.args.calibrate)
        self.report["rendered truth"] = self.columns["rendered truth"]

    def traced(self, scenes: Sequence[TracedScene]) -> None:
        """Measure what the measures say of path-traced truth, and swap its neighbours."""
        with self.minutes.of("path-traced truth"):
            figures = dict(traced_figures(scenes))
            if count := self.args.neighbours:
                library, px = self._library(), self.look_px
                shares = traced_neighbours(self.net, library, WordBank(), scenes, count=count, look_px=px)
                figures |= {
                    f"right neighbours preferred, {'free ' * (k != 'all')}{k}": v for k, v in shares.items()
                }
        self.columns["on path-traced scenes"] = self.report["path-traced truth"] = figures

    @property
    def _sampling(self) -> Sampling:
        return Sampling(steps=self.args.steps) if self.args.steps else Sampling()

    def _prompts(self, count: int, nouns: Sequence[str]) -> tuple[Prompt, ...]:
        return frozen_prompts(nouns, {n.noun: n for n in read_vocabulary()}, count)

    def _engine(self) -> EmbeddedEngine:
        return loaded_engine(self.args.weights, self.args.detail, self.args.threads)

    def _library(self) -> SpriteLibrary:
        return SpriteLibrary.load(self.args.data, "train", trained_nouns())


def write_sheet_only(args: argparse.Namespace) -> list[Path]:
    """Write the sheet of layers; no judge and no sprites are needed. Returns the paths."""
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    vocabulary = {n.noun: n for n in read_vocabulary()}
    wanted = core_nouns() if args.nouns == "core" else shipped_nouns()
    engine = loaded_engine(args.weights, args.detail, args.threads)
    sampling = Sampling(steps=args.steps) if args.steps else Sampling()
    prompts = sheet_prompts(wanted, vocabulary, min(args.count, SHEET_SCENES))
    return write_layer_sheet(engine, prompts, args.out, use_library=args.references, sampling=sampling)


def _write(out: Path, report: dict[str, Any], columns: dict[str, Figures]) -> None:
    weights = f"Weights {report['weights_sha256'][:12]}"
    notes = [
        f"{weights}, trained on {report['trained']}, looks of {report['look_px']} px; "
        f"{report['nouns']['count']} nouns ({report['nouns']['set']}). 95 % intervals by bootstrap over scenes.",
        f"The judge, trained on other drawings: {report['judge']}.",
        f"{report['minutes']} minutes ({report['minutes by part']}), peak memory {report['peak_memory_mb']} MB.",
    ]
    if "per noun" in report:
        shares = [row["right"] for row in report["per noun"].values()]
        good = sum(s >= 0.75 for s in shares)
        notes.append(
            f"Single looks, 4 a noun: {sum(shares) / max(1, len(shares)):.3f} right; {good} nouns at 3 of 4 or better."
        )
    sections = [markdown("Evaluation of the embedded engine", columns, notes)]
    sections += [markdown(f"Verb: {v}", {"value": row}, []) for v, row in report.get("verbs", {}).items()]
    if "baselines" in report:
        sections.append(baselines_text(report["baselines"], f"{weights}, 95 % intervals."))
    text = "\n".join(sections)
    write_json(out / "evaluation.json", report)
    (out / "evaluation.md").write_text(text, encoding="utf-8")
    print(text)


def _peak_memory_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    out = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out.add_argument("--protocol", choices=list(PROTOCOLS), help="sets all numbers that are not given")
    out.add_argument("--weights", type=Path, default=Path("resources/model/scene.safetensors"))
    out.add_argument("--detail", type=Path, default=Path("resources/model/detail.safetensors"))
    out.add_argument("--classifier", type=Path, default=Path("training_data/classifier.safetensors"))
    out.add_argument("--data", type=Path, default=Path("training_data"), help="sprites for --neighbours")
    out.add_argument("--out", type=Path, default=Path("training_data/eval"))
    out.add_argument("--count", type=int, default=100, help="scenes; 0 leaves them out")
    out.add_argument("--nouns", choices=["core", "all"], default="core")
    out.add_argument("--steps", type=int, default=0, help="0: the product's own number")
    out.add_argument("--references", action="store_true", help="also run guided by the picture library")
    out.add_argument(
        "--reference-count", type=int, default=0, help="scenes with the library; 0: as many as without"
    )
    out.add_argument("--verbs", type=int, default=0, help="rendered scenes for every verb; 0 leaves them out")
    out.add_argument("--sheet", action="store_true", help="also write the sheet of layers")
    out.add_argument("--neighbours", type=int, default=48, help="scenes a part; 0 leaves the test out")
    out.add_argument("--baselines", type=int, default=0, help="scenes for every baseline; 0 leaves them out")
    out.add_argument(
        "--edges", type=int, default=20, help="scenes at 512 px for the edges; 0 leaves them out"
    )
    out.add_argument("--calibrate", type=int, default=60, help="scenes of rendered truth; 0 leaves them out")
    out.add_argument("--traced", type=int, default=100, help="scenes of path-traced truth; 0 leaves them out")
    out.add_argument("--traced-scenes", type=Path, default=TRACED_FOLDER, help="the path-traced test set")
    out.add_argument("--sheet-only", action="store_true", help="seeds 1 to 40 taken apart into layers-N.png")
    out.add_argument("--per-noun", action="store_true")
    out.add_argument("--quick", action="store_true", help="at most 10 scenes, 6 a part, 4 steps")
    out.add_argument("--threads", type=int, default=2)
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and evaluate."""
    args = with_protocol(parser(), arguments)
    if args.quick:
        args.count, args.neighbours, args.steps = (
            min(args.count, 10),
            min(args.neighbours, 6),
            args.steps or 4,
        )
        args.edges, args.calibrate = min(args.edges, 2), min(args.calibrate, 6)
        args.verbs, args.baselines = min(args.verbs, 2), min(args.baselines, 3)
        args.traced = min(args.traced, 6)
    if args.sheet_only:
        print("\n".join(str(path) for path in write_sheet_only(args)))
    else:
        run(args)


if __name__ == "__main__":
    main()
