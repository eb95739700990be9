"""The generation measurement with the scripted engine: the whole path runs and every figure is there."""

from __future__ import annotations

import json
import math

import pytest

from psdstudio.bench.__main__ import main
from psdstudio.bench.generate import Figures, RunFigures, table


def test_every_figure_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    main(["generate", "--engine", "fake", "--json", "--size", "96x64", "--steps", "3"])
    figures = json.loads(capsys.readouterr().out)["generate"]
    assert (figures["size"], figures["steps"]) == ("96x64", 3)
    for name in ("first", "warm", "regenerate"):
        run = figures[name]
        assert 0 < run["layout_s"] <= run["step_s"] <= run["done_s"]
        # A toy run may be over before its first preview is due: five a second, over the whole session.
        assert run["previews"] == 0 or run["layout_s"] <= run["preview_s"] <= run["done_s"]
    assert figures["first"]["previews"] >= 1
    assert figures["regenerate_ratio"] == pytest.approx(
        figures["regenerate"]["done_s"] / figures["warm"]["done_s"]
    )
    assert figures["ready_s"] > 0
    assert figures["first_step_s"] == pytest.approx(figures["ready_s"] + figures["first"]["step_s"])
    assert figures["objects"] == 3
    assert figures["worker_peak_mib"] > 10 or math.isnan(figures["worker_peak_mib"])


@pytest.mark.expects_logs
def test_an_engine_that_cannot_start_gives_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--engine", "no-such-engine"]) == 1
    assert "no-such-engine" in capsys.readouterr().err


def test_as_many_objects_as_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["generate", "--engine", "fake", "--size", "96x64", "--steps", "3", "--objects", "4"])
    said = capsys.readouterr().out
    assert "background and 4 objects" in said
    assert "regenerate one of five" in said
    assert "first denoising step" in said
    with pytest.raises(SystemExit):
        main(["generate", "--engine", "fake", "--objects", "6"])


def test_limits_and_table() -> None:
    run = RunFigures(0.2, 0.5, 4.0, 9, 0.4)
    slow = RunFigures(0.2, 0.5, 3.0, 9, 0.4)
    good = Figures(
        "512x512", 3, 16, 2, 1.5, 1.9, run, run, RunFigures(0.1, 0.2, 2.0, 5, 0.2), 0.5, 800.0, 200.0
    )
    bad = Figures("512x512", 3, 16, 2, 1.5, 1.9, run, run, slow, 0.75, 800.0, 200.0)
    assert good.within_limits
    assert not bad.within_limits
    assert "limit 0.6" in table(bad)
    assert "0.75" in table(bad)
    assert "regenerate one of four" in table(good)
    assert "first denoising step       1.90 s" in table(good)
