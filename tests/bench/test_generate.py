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
        assert 0 < run["layout_s"] <= run["done_s"]
        # A toy run may be over before its first preview is due: five a second, over the whole session.
        assert run["previews"] == 0 or run["layout_s"] <= run["preview_s"] <= run["done_s"]
    assert figures["first"]["previews"] >= 1
    assert figures["regenerate_ratio"] == pytest.approx(
        figures["regenerate"]["done_s"] / figures["warm"]["done_s"]
    )
    assert figures["ready_s"] > 0
    assert figures["worker_peak_mib"] > 10 or math.isnan(figures["worker_peak_mib"])


@pytest.mark.expects_logs
def test_an_engine_that_cannot_start_gives_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--engine", "no-such-engine"]) == 1
    assert "no-such-engine" in capsys.readouterr().err


def test_limits_and_table() -> None:
    run = RunFigures(0.2, 0.5, 4.0, 9)
    slow = RunFigures(0.2, 0.5, 3.0, 9)
    good = Figures("512x512", 16, 2, 1.5, run, run, RunFigures(0.1, 0.2, 2.0, 5), 0.5, 800.0, 200.0)
    bad = Figures("512x512", 16, 2, 1.5, run, run, slow, 0.75, 800.0, 200.0)
    assert good.within_limits
    assert not bad.within_limits
    assert "limit 0.6" in table(bad)
    assert "0.75" in table(bad)
