"""The sheet of scenes taken apart: seeds 1, 2, 3, every layer on its tile, and the command that writes nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId, PixelLayer
from psdstudio.core.parts import background_of
from psdstudio.engine.detail import DetailNet
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.engine.weights import save_detail, save_weights
from psdstudio.gen.request import ObjectResult, Raster, Sampling
from psdstudio.training import evaluation_pinned
from psdstudio.training.evaluate import loaded_engine, main
from psdstudio.training.evaluation_pinned import keep_runs
from psdstudio.training.evaluation_prompts import frozen_prompts
from psdstudio.training.evaluation_runs import paint_prompt
from psdstudio.training.evaluation_sheet import MATTE, effects_tile, page_size, sheet_prompts
from psdstudio.training.sprites import core_nouns, read_vocabulary
from tests.engine.toys import TINY_DETAIL
from tests.training.toys import lively_net

VOCABULARY = {n.noun: n for n in read_vocabulary()}
QUICK = Sampling(steps=2, layout_steps=2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny weights, w.safetensors and d.safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    save_weights(folder / "w.safetensors", lively_net(), look_px=32, trained={"objects": 1})
    save_detail(folder / "d.safetensors", DetailNet(TINY_DETAIL), trained={"pairs": 1})
    return folder


@pytest.fixture(scope="module")
def engine(weights: Path) -> EmbeddedEngine:
    """The product's engine on them."""
    return loaded_engine(weights / "w.safetensors", weights / "d.safetensors", 1)


def test_seeds_run_from_one_and_nothing_else_changes() -> None:
    prompts, frozen = (
        sheet_prompts(core_nouns(), VOCABULARY, 40),
        frozen_prompts(core_nouns(), VOCABULARY, 40),
    )
    assert [p.seed for p in prompts] == list(range(1, 41))
    assert [p.sentence for p in prompts] == [p.sentence for p in frozen]


def test_the_command_writes_a_sheet_and_no_report(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet"
    main(
        [
            "--weights", str(weights / "w.safetensors"), "--detail", str(weights / "d.safetensors"),
            "--out", str(out), "--sheet-only", "--count", "3", "--steps", "2", "--threads", "1",
        ]
    )  # fmt: skip
    assert [p.name for p in out.iterdir()] == ["layers-1.png"]
    with Image.open(out / "layers-1.png") as page:
        assert page.size == page_size(3)
        assert len(np.unique(np.asarray(page.convert("RGB")).reshape(-1, 3), axis=0)) > 20


def test_effects_darken_an_empty_canvas_where_they_lie() -> None:
    shadow = np.zeros((4, 4, 4), np.uint8)
    shadow[..., 3] = 255
    blank = Raster(rgba=shadow, rect=Rect(0, 0, 4, 4))
    made = ObjectResult(
        id=LayerId("a"), box=BoxF(0, 0, 1, 1), look=blank, shadow=Raster(rgba=shadow, rect=Rect(-2, 6, 4, 4))
    )
    tile = np.asarray(effects_tile(made, Size(8, 10)))
    assert tile.shape == (10, 8, 3)
    assert not tile[6:10, :2].any()
    tile = tile.copy()
    tile[6:10, :2] = MATTE
    assert (tile == MATTE).all()


def test_each_object_is_painted_anew_beside_the_others(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = frozen_prompts(core_nouns(), VOCABULARY, 5)[4]
    painted = paint_prompt(engine, prompt, use_library=False, sampling=QUICK)
    runs = keep_runs(engine, painted, QUICK)
    assert (runs.same, runs.turns) == (True, 3)
    assert len(runs.angles) <= 3

    def forgetful(doc: object, result: object) -> object:
        # As if the run had written into the kept background.
        document = painted.document
        back = background_of(document)
        assert isinstance(back, PixelLayer)
        return document.with_layer(replace(back, offset=back.offset.shifted(1, 0)))

    monkeypatch.setattr(evaluation_pinned, "apply_result", forgetful)
    assert not keep_runs(engine, painted, QUICK).same
