"""What the model card says that is not measured: the network's files, its material, its goals."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from psdstudio.training.assets.ledger import LICENCE_URLS, UNUSED, Entry
from psdstudio.training.evaluation_baselines import CLEAN, CLEAN_AGAINST_REPLACEMENT, NEARER, REPLACED_AT_COST
from psdstudio.training.evaluation_calibration import FOG, INNER
from psdstudio.training.evaluation_light import AGAINST_KEPT, BETWEEN, FLOATING
from psdstudio.training.evaluation_verbs import RECOMPOSED, SILHOUETTE, SPLIT

STAGES: dict[str, str] = {
    "objects": "single drawings, words to picture",
    "parts": "single drawings and single backgrounds",
    "mixed": "single parts and whole scenes, some parts of them known",
    "pairs": "a painted part and the true one at twice the size (second network)",
}
"""What the names of the training stages in the weights' own metadata mean."""


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """One file of weights as it describes itself: samples trained on per stage, how many numbers it holds."""

    name: str
    title: str
    sha256: str
    size: int
    numbers: int
    trained: Mapping[str, int]
    look_px: int | None


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that was promised: where it stands in the evaluation's report, and what it should be.

    `run`: name of the report's part; `at_least`: larger is better; `certain`: the whole interval must reach the goal.
    """

    title: str
    run: str
    figure: str
    goal: float
    least: float
    unit: str = "%"
    at_least: bool = True
    certain: bool = False


TEXT, LIBRARY, NEIGHBOURS = "text alone", "with library", "swapped neighbours"
RENDERED, TRACED = "rendered truth", "path-traced truth"
GOALS: tuple[Goal, ...] = (
    Goal("right object in the right layer, from words alone", TEXT, "right object in its layer", 0.95, 0.80),
    Goal("the same with the picture library, all nouns", LIBRARY, "right object in its layer", 0.95, 0.90),
    Goal("empty layers", TEXT, "empty layers", 0.005, 0.02, at_least=False),
    Goal("full layers (no outline)", TEXT, "full layers", 0.005, 0.02, at_least=False),
    Goal(
        "layers put together against the predicted whole",
        TEXT, "over-composite against predicted composite, dB", 30, 25, "dB",
    ),
    Goal(
        "shadow direction against the kept layers', median",
        TEXT, AGAINST_KEPT, 8, 20, "degrees", at_least=False,
    ),
    Goal(
        "shadow direction between objects, median",
        TEXT, BETWEEN, 8, 20, "degrees", at_least=False,
    ),
    Goal(
        "floating objects",
        TEXT, FLOATING, 0.01, 0.05, at_least=False,
    ),
    Goal(
        "half transparent inside a solid object",
        TEXT, FOG, 0.005, 0.03, at_least=False,
    ),
    Goal("right neighbours preferred over swapped ones", NEIGHBOURS, "all", 0.95, 0.80),
    Goal("kept layers the same to the last bit", TEXT, "kept layers byte-equal", 1.0, 1.0),
    Goal(
        "width of an inner edge, of 128 pixels",
        TEXT, INNER, 2, 3, "px", at_least=False,
    ),
    Goal("a flat picture split: its layers put together against it", SPLIT, RECOMPOSED, 35, 35, "dB"),
    Goal("same silhouette: outline the same to the last bit", SILHOUETTE, "alpha byte-equal", 1.0, 1.0),
    Goal(
        "keeping parts clean against replacing them, equal work: scenes in which clean suits better",
        CLEAN_AGAINST_REPLACEMENT, f"{NEARER}: {CLEAN} against {REPLACED_AT_COST}", 0.5, 0.0, certain=True,
    ),
)  # fmt: skip


def network_file(path: Path, title: str) -> NetworkFile:
    """Read what a file of weights says of itself, without building the network."""
    with safe_open(path, framework="pt") as file:
        meta = file.metadata()
        names = [key for key in file.keys() if not key.endswith(".scale")]  # noqa: SIM118  # not a dict
        numbers = sum(file.get_tensor(name).numel() for name in names)
    look_px = meta.get("look_px")
    return NetworkFile(
        name=path.name,
        title=title,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size=path.stat().st_size,
        numbers=numbers,
        trained=json.loads(meta["trained"]),
        look_px=None if look_px is None else int(look_px),
    )


def in_use(ledger: Sequence[Entry]) -> list[Entry]:
    """Return the entries of drawings that train or test a network."""
    return [entry for entry in ledger if entry["used_by"] != UNUSED]


def material_rows(ledger: Sequence[Entry]) -> list[list[str]]:
    """Return a row for every package and licence: package, creators, licence, drawings trained on, only tested on.

    Material that waits for its noun to be taught is in no row.
    """
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    creators: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in in_use(ledger):
        key = (entry["package"], entry["licence"])
        counts[key]["trained" if entry["used_by"] == "train" else "tested"] += 1
        creators[key].add(entry["creator"])
    rows = []
    for (package, licence), used in sorted(counts.items()):
        people = sorted(creators[package, licence])
        by = people[0] if len(people) == 1 else f"{len(people)} creators"
        linked = f"[{licence}]({LICENCE_URLS[licence]})"
        rows.append([package, by, linked, str(used["trained"]), str(used["tested"])])
    return rows
