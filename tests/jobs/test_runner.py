"""The runner's promises, with the worker's loop on a thread: order, one end per job, persist before deliver."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest

from psdstudio.errors import FileWriteFailed
from psdstudio.gen.engine import Stage
from psdstudio.gen.fake import Fault
from psdstudio.gen.request import GenerationResult
from psdstudio.gen.verbs import Capability, Verb
from psdstudio.jobs.events import (
    EnginePhase,
    EngineState,
    JobCancelled,
    JobEvent,
    JobFailed,
    JobFinished,
    JobLayout,
    JobPreview,
    JobProgress,
    JobStarted,
)
from psdstudio.jobs.job import Job, JobId, JobState
from psdstudio.jobs.report import ErrorKind, Recovery
from tests.gen.asking import BASE, request_of
from tests.jobs.harness import inline, request, script


def test_a_run_tells_its_story_in_order() -> None:
    with inline(script()) as heard:
        job = heard.runner.submit(request(steps=4))
        finished = heard.until(JobFinished, job)
        assert heard.of(JobStarted)[0].job_id == job
        assert [state.phase for state in heard.of(EngineState)][-1] is EnginePhase.READY
        assert len(heard.of(JobLayout)[0].boxes) == 2
        stages = [event.stage for event in heard.of(JobProgress)]
        assert stages == [
            Stage.LOAD,
            Stage.LOAD,
            Stage.ENCODE,
            Stage.LAYOUT,
            *[Stage.DENOISE] * 4,
            Stage.DECODE,
        ]
        fractions = [event.fraction for event in heard.of(JobProgress) if event.stage is not Stage.LOAD]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0
        assert finished.result.request.run_id == "run"
        assert heard.ends(job) == [finished]


def test_warm_up_loads_without_a_job() -> None:
    with inline(script()) as heard:
        heard.runner.warm_up()
        while heard.until(EngineState).phase is not EnginePhase.READY:
            pass
        assert heard.of(EngineState)[-1].info is not None
        assert heard.of(JobStarted) == []


def test_previews_are_at_most_five_a_second_and_the_newest_wins() -> None:
    with inline(script(step_delay_s=0.01)) as heard:
        job = heard.runner.submit(request(steps=60))
        heard.until(JobFinished, job)
        times = [
            at for at, event in zip(heard.times, heard.events, strict=True) if isinstance(event, JobPreview)
        ]
        # Event times jitter by the scheduler of a busy machine, the throttle itself does not.
        assert all(b - a >= 0.15 for a, b in pairwise(times))
        steps = [event.preview.step for event in heard.of(JobPreview)]
        assert 2 <= len(steps) <= 8
        assert steps == sorted(steps)


def test_time_left_is_told_while_denoising() -> None:
    # Steps long enough that a busy machine's own delays do not decide.
    with inline(script(step_delay_s=0.06)) as heard:
        heard.until(JobFinished, heard.runner.submit(request(steps=20)))
        etas = [event.eta_s for event in heard.of(JobProgress) if event.stage is Stage.DENOISE]
        known = [eta for eta in etas if eta is not None]
        assert len(known) >= 15
        assert known[-1] < known[0] < 20


def test_a_result_is_persisted_before_anybody_hears_of_it() -> None:
    order: list[str] = []

    def persist(result: GenerationResult) -> None:
        time.sleep(0.05)
        order.append(f"saved {result.request.run_id}")

    def listen(event: JobEvent) -> None:
        if isinstance(event, JobFinished):
            order.append(f"shown {event.result.request.run_id}")

    with inline(script(), persist=persist) as heard:
        heard.runner.subscribe(listen)
        for name in ("a", "b"):
            heard.until(JobFinished, heard.runner.submit(request(name)))
    assert order == ["saved a", "shown a", "saved b", "shown b"]


def test_a_full_disk_loses_nothing() -> None:
    full = [True]

    def persist(_: GenerationResult) -> None:
        if full[0]:
            raise FileWriteFailed("The disk is full.", "Make room.")

    with inline(script(), persist=persist) as heard:
        job = heard.runner.submit(request())
        failed = heard.until(JobFailed, job)
        assert failed.report.kind is ErrorKind.NOT_SAVED
        assert failed.report.recovery is Recovery.SAVE_AGAIN
        assert "The disk is full." in failed.report.message
        heard.runner.save_again(job)
        heard.until(JobFailed, job)
        full[0] = False
        heard.runner.save_again(job)
        assert heard.until(JobFinished, job).result.request.run_id == "run"
        # The engine was free all the while.
        heard.until(JobFinished, heard.runner.submit(request("next")))


def test_jobs_run_one_after_the_other_and_a_waiting_one_can_be_dropped() -> None:
    with inline(script(step_delay_s=0.05)) as heard:
        first, second, third = (heard.runner.submit(request(name)) for name in ("a", "b", "c"))
        heard.until(JobStarted, first)
        heard.runner.cancel(second)
        heard.until(JobFinished, third)
        assert [event.job_id for event in heard.of(JobStarted)] == [first, third]
        assert isinstance(heard.ends(second)[0], JobCancelled)
        assert isinstance(heard.ends(first)[0], JobFinished)


def test_cancel_is_seen_within_one_step_and_the_engine_stays() -> None:
    with inline(script(step_delay_s=0.1)) as heard:
        job = heard.runner.submit(request(steps=500))
        heard.until(JobPreview, job)
        asked = time.monotonic()
        heard.runner.cancel(job)
        heard.until(JobCancelled, job)
        # All steps take 50 s and the kill comes after 20 s: it stopped of itself, long before its end.
        assert time.monotonic() - asked < 5.0
        heard.until(JobFinished, heard.runner.submit(request(steps=1)))
        assert len(heard.ends(job)) == 1
        assert EnginePhase.STOPPED not in [state.phase for state in heard.of(EngineState)]
        after = heard.events[heard.events.index(heard.ends(job)[0]) :]
        assert not [e for e in after if isinstance(e, JobPreview | JobProgress) and e.job_id == job]


def test_cancelling_what_is_over_or_unknown_does_nothing() -> None:
    with inline(script()) as heard:
        job = heard.runner.submit(request())
        heard.until(JobFinished, job)
        heard.runner.cancel(job)
        heard.runner.cancel(JobId(999))
        heard.until(JobFinished, heard.runner.submit(request("next")))
        assert len(heard.ends(job)) == 1


@pytest.mark.expects_logs
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.OUT_OF_MEMORY, ErrorKind.OUT_OF_MEMORY),
        (Fault.RAISE, ErrorKind.FAILED),
        (Fault.FOREIGN_EVENT, ErrorKind.PROTOCOL),
        (Fault.WRONG_SHAPE, ErrorKind.PROTOCOL),
    ],
)
def test_a_failing_run_is_reported_and_the_next_one_works(fault: Fault, kind: ErrorKind) -> None:
    with inline(script(("bad", fault))) as heard:
        bad = heard.runner.submit(request("bad"))
        report = heard.until(JobFailed, bad).report
        assert report.kind is kind
        assert report.message
        assert report.traceback
        heard.until(JobFinished, heard.runner.submit(request("good")))
        assert len(heard.ends(bad)) == 1


def test_too_many_objects_are_refused_before_the_run() -> None:
    with inline(script(max_objects=3)) as heard:
        job = heard.runner.submit(request(objects=5))
        report = heard.until(JobFailed, job).report
        assert "5 objects" in report.message
        assert "2 of them" in report.hint
        assert heard.of(JobPreview) == []


def test_an_engine_is_not_sent_what_it_cannot_do_and_goes_on_with_the_rest() -> None:
    with inline(script(capabilities=frozenset({Capability.FILL}))) as heard:
        job = heard.runner.submit(request_of(BASE, Verb.NEW_PLACE, "swan"))
        report = heard.until(JobFailed, job).report
        assert (
            report.message
            == "The engine “Fake engine” cannot find another place for an object that is painted."
        )
        assert heard.of(JobPreview) == []
        assert heard.until(JobFinished, heard.runner.submit(request())).result.background is not None


@pytest.mark.expects_logs
def test_a_missing_model_file_names_the_file_and_fails_every_waiting_job() -> None:
    with inline(script(load_fault=Fault.LOAD_MISSING)) as heard:
        first, second = heard.runner.submit(request("a")), heard.runner.submit(request("b"))
        for job in (first, second):
            report = heard.until(JobFailed, job).report
            assert report.kind is ErrorKind.MODEL
            assert "fake.safetensors" in report.message
            assert report.hint


@pytest.mark.expects_logs
def test_a_listener_that_raises_stops_nobody() -> None:
    def broken(_: JobEvent) -> None:
        raise RuntimeError("listener")

    with inline(script()) as heard:
        unsubscribe = heard.runner.subscribe(broken)
        again = heard.runner.submit(request())
        heard.until(JobFinished, again)
        unsubscribe()


def test_the_same_request_gives_the_same_bytes() -> None:
    with inline(script()) as heard:
        pictures = []
        for _ in range(2):
            result = heard.until(JobFinished, heard.runner.submit(request())).result
            assert result.background is not None
            pictures.append(result.background.rgba)
        assert np.array_equal(pictures[0], pictures[1])


def test_shutdown_cancels_what_is_left() -> None:
    with inline(script(step_delay_s=0.05)) as heard:
        first, second = heard.runner.submit(request("a", steps=500)), heard.runner.submit(request("b"))
        heard.until(JobPreview, first)
        heard.runner.shutdown(1.0)
        for job in (first, second):
            assert isinstance(heard.ends(job)[0], JobCancelled)


def test_states_follow_the_table() -> None:
    job = Job(id=JobId(1), request=request())
    assert job.moved(JobState.LOADING).moved(JobState.RUNNING).moved(JobState.DONE).state is JobState.DONE
    for state in (JobState.DONE, JobState.CANCELLING, JobState.RUNNING):
        with pytest.raises(ValueError, match="cannot go"):
            job.moved(state)


def test_another_engine_waits_for_the_run_that_goes_on_and_takes_the_next_one() -> None:
    with inline(script(step_delay_s=0.02)) as heard:
        first = heard.runner.submit(request("a", steps=10, objects=2))
        heard.until(JobPreview, first)
        heard.runner.use(script(max_objects=3))
        second = heard.runner.submit(request("b", objects=5))
        heard.until(JobFinished, first)
        while heard.until(EngineState).phase is not EnginePhase.STOPPED:
            pass
        report = heard.until(JobFailed, second).report
        assert "at most 3" in report.message  # said by the new engine, which is the one that was asked
        infos = [state.info.max_objects for state in heard.of(EngineState) if state.info is not None]
        assert infos == [6, 3]


@pytest.mark.expects_logs
def test_another_engine_begins_without_the_crashes_of_the_one_before() -> None:
    with inline(script(load_fault=Fault.LOAD_MISSING)) as heard:
        failed = heard.runner.submit(request("a"))
        heard.runner.use(script())
        fine = heard.runner.submit(request("b"))
        assert heard.until(JobFailed, failed).report.kind is ErrorKind.MODEL
        heard.until(JobFinished, fine)


def test_a_job_that_waits_behind_an_engine_can_be_cancelled() -> None:
    with inline(script(step_delay_s=0.02)) as heard:
        first = heard.runner.submit(request("a", steps=20))
        heard.until(JobPreview, first)
        heard.runner.use(script())
        second = heard.runner.submit(request("b"))
        heard.runner.cancel(second)
        heard.until(JobCancelled, second)
        heard.until(JobFinished, first)
        third = heard.runner.submit(request("c"))
        heard.until(JobFinished, third)
