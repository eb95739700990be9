"""The compositing measurement at a toy size: its figures are complete and both pictures agree."""

from __future__ import annotations

import json

import pytest

from psdstudio.bench.__main__ import main
from psdstudio.bench.composite import STACKS, build
from psdstudio.core.layers import BlendMode


def test_the_figures_are_complete_and_the_pictures_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["composite", "--json", "--side", "320", "--repeat", "1"]) == 0
    figures = json.loads(capsys.readouterr().out)["composite"]
    assert [each["stack"] for each in figures] == list(STACKS)
    for each in figures:
        assert each["layers"] == 10
        assert each["largest_difference"] <= 1
        assert each["full_ms"] > 0
        assert each["psd_tools_ms"] > each["full_ms"]
        assert each["times_faster"] == pytest.approx(each["psd_tools_ms"] / each["full_ms"])


def test_the_table_names_both_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["composite", "--side", "64", "--repeat", "1", "--stack", "modes"]) == 0
    text = capsys.readouterr().out
    assert "psd-tools" in text
    assert "256x256 change" in text
    assert "effects" not in text


def test_a_stack_has_an_opaque_ground_and_soft_layers() -> None:
    doc = build("modes", 300)
    assert doc.validate() == []
    assert [layer.props.blend_mode for layer in doc.layers] == [BlendMode.NORMAL, *STACKS["modes"]]
    alphas = [layer.pixels.read(doc.canvas)[..., 3] for layer in doc.walk() if hasattr(layer, "pixels")]
    assert alphas[0].min() == 255
    assert all(0 < alpha.min() < alpha.max() == 255 for alpha in alphas[1:])


def test_an_unknown_measurement_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["nothing"])
    assert stop.value.code == 2
    assert "composite" in capsys.readouterr().err
