"""Throttle and time left, with a clock that the test turns."""

from __future__ import annotations

import numpy as np
import pytest

from psdstudio.core.geometry import Rect
from psdstudio.gen.engine import Preview
from psdstudio.gen.request import Raster
from psdstudio.jobs.events import JobPreview
from psdstudio.jobs.job import JobId
from psdstudio.jobs.pacing import PreviewThrottle, TimeLeft


def preview(step: int) -> JobPreview:
    raster = Raster(rgba=np.zeros((1, 1, 4), np.uint8), rect=Rect(0, 0, 1, 1))
    return JobPreview(job_id=JobId(1), preview=Preview(step=step, rasters=(), composite=raster))


def test_the_newest_of_those_that_came_too_early_is_shown_when_its_time_has_come() -> None:
    throttle = PreviewThrottle()
    first = throttle.offer(preview(1), 10.0)
    assert first is not None
    assert throttle.deadline is None
    assert throttle.offer(preview(2), 10.05) is None
    assert throttle.offer(preview(3), 10.1) is None
    assert throttle.deadline == pytest.approx(10.2)
    assert throttle.due(10.15) is None
    shown = throttle.due(10.2)
    assert shown is not None
    assert shown.preview.step == 3
    assert throttle.due(11.0) is None


def test_no_second_holds_more_than_five() -> None:
    throttle = PreviewThrottle()
    shown = [i / 100 for i in range(300) if throttle.offer(preview(i), i / 100) is not None]
    assert all(sum(1 for t in shown if at <= t < at + 1.0) <= 5 for at in shown)
    assert len(shown) >= 14


def test_clear_forgets_what_is_held() -> None:
    throttle = PreviewThrottle()
    throttle.offer(preview(1), 0.0)
    throttle.offer(preview(2), 0.1)
    throttle.clear()
    assert throttle.due(5.0) is None


def test_time_left_is_exact_at_an_even_pace() -> None:
    left = TimeLeft()
    assert left.add(0.0, 100.0) is None
    for step in range(1, 10):
        assert left.add(step / 10, 100.0 + step) == pytest.approx(10 - step)
    assert left.add(1.0, 110.0) == 0.0


def test_a_slow_beginning_is_forgotten() -> None:
    left = TimeLeft()
    left.add(0.0, 0.0)
    left.add(0.1, 60.0)
    estimate = None
    for step in range(1, 9):
        estimate = left.add(0.1 + step / 20, 60.0 + step)
    assert estimate == pytest.approx(10.0)


def test_the_estimate_starts_anew_when_the_fraction_falls_back() -> None:
    left = TimeLeft()
    left.add(0.5, 0.0)
    left.add(0.9, 1.0)
    assert left.add(0.1, 2.0) is None
