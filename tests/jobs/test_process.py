"""The worker as a real process: crash, hang, mismatch, and what each side must never import."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from psdstudio.gen.fake import Fault
from psdstudio.jobs.events import (
    EnginePhase,
    EngineState,
    JobCancelled,
    JobFailed,
    JobFinished,
    JobLayout,
    JobPreview,
    JobStarted,
)
from psdstudio.jobs.pacing import Grace
from psdstudio.jobs.process import ProcessWorker
from psdstudio.jobs.report import CRASH_MESSAGE, ErrorKind, Recovery
from psdstudio.jobs.runner import JobRunner
from psdstudio.jobs.wire import PROTOCOL_VERSION, WorkerConfig
from psdstudio.spawning import _child_environment
from tests.jobs.harness import SHORT, Heard, keep_nothing, process, request, script


def test_pixels_cross_the_pipe_unchanged_and_a_kept_request_does_not_travel_back() -> None:
    with process(script()) as heard:
        wanted = request(side=300)
        result = heard.until(JobFinished, heard.runner.submit(wanted)).result
        assert result.request is wanted
        assert result.background is not None
        assert result.background.rgba.shape == (300, 300, 4)


def test_a_crash_fails_the_job_and_the_next_run_has_a_new_engine() -> None:
    with process(script(("bad", Fault.CRASH))) as heard:
        bad = heard.runner.submit(request("bad"))
        report = heard.until(JobFailed, bad).report
        assert report.message == CRASH_MESSAGE == "The engine stopped unexpectedly. Your layers are safe."
        assert report.recovery is Recovery.RESTART
        assert report.kind is ErrorKind.CRASHED
        assert "41" in report.traceback
        heard.until(JobFinished, heard.runner.submit(request("good")))
        assert len(heard.ends(bad)) == 1


def test_a_second_crash_stops_and_asks() -> None:
    with process(script(("bad", Fault.CRASH))) as heard:
        for _ in range(2):
            heard.until(JobFailed, heard.runner.submit(request("bad")))
        assert heard.of(JobFailed)[-1].report.hint.startswith("It stopped twice within five minutes.")
        refused = heard.runner.submit(request("good"))
        assert heard.until(JobFailed, refused).report.recovery is Recovery.RESTART
        assert refused not in [event.job_id for event in heard.of(JobStarted)]
        heard.runner.restart()
        heard.until(JobFinished, heard.runner.submit(request("good")))


def test_crashes_far_apart_do_not_block() -> None:
    grace = Grace(cancel_s=0.3, load_s=0.3, crash_window_s=0.0)
    with process(script(("bad", Fault.CRASH)), grace=grace) as heard:
        for _ in range(2):
            heard.until(JobFailed, heard.runner.submit(request("bad")))
        heard.until(JobFinished, heard.runner.submit(request("good")))


def test_jobs_waiting_behind_a_crash_still_run() -> None:
    with process(script(("bad", Fault.CRASH))) as heard:
        heard.runner.submit(request("bad"))
        heard.until(JobFinished, heard.runner.submit(request("good")))


@pytest.mark.expects_logs
def test_a_hung_engine_is_killed_after_the_grace() -> None:
    with process(script(("bad", Fault.HANG)), grace=SHORT) as heard:
        bad = heard.runner.submit(request("bad"))
        heard.until(JobLayout, bad)
        time.sleep(0.2)  # the layout is sent right before it hangs; asked in between, it would stop of itself
        asked = time.monotonic()
        heard.runner.cancel(bad)
        heard.until(JobCancelled, bad)
        assert time.monotonic() - asked > 0.25
        heard.until(JobFinished, heard.runner.submit(request("good")))
        assert len(heard.ends(bad)) == 1


@pytest.mark.expects_logs
def test_an_engine_that_hangs_while_loading_is_killed_after_the_grace() -> None:
    with process(script(load_fault=Fault.LOAD_HANG), grace=SHORT) as heard:
        job = heard.runner.submit(request())
        heard.until(JobStarted, job)
        heard.runner.cancel(job)
        heard.until(JobCancelled, job)
        while heard.until(EngineState).phase is not EnginePhase.STOPPED:
            pass


def test_cancelling_while_loading_is_immediate_and_the_engine_gets_ready() -> None:
    with process(script(load_delay_s=3.0)) as heard:
        job = heard.runner.submit(request())
        heard.until(JobStarted, job)
        asked = time.monotonic()
        heard.runner.cancel(job)
        heard.until(JobCancelled, job)
        assert time.monotonic() - asked < 2.0  # loading takes three
        heard.until(JobFinished, heard.runner.submit(request("next")))
        assert EnginePhase.STOPPED not in [state.phase for state in heard.of(EngineState)]


def test_out_of_memory_gets_a_fresh_process() -> None:
    with process(script(("bad", Fault.OUT_OF_MEMORY))) as heard:
        report = heard.until(JobFailed, heard.runner.submit(request("bad"))).report
        assert report.kind is ErrorKind.OUT_OF_MEMORY
        assert "smaller canvas" in report.hint
        heard.until(JobFinished, heard.runner.submit(request("good")))
        phases = [state.phase for state in heard.of(EngineState) if state.fraction in (0.0, 1.0)]
        assert phases.count(EnginePhase.STOPPED) == 1


def test_a_worker_of_another_protocol_is_refused() -> None:
    config = replace(script(), protocol=PROTOCOL_VERSION + 1)
    with process(config) as heard:
        report = heard.until(JobFailed, heard.runner.submit(request())).report
        assert report.kind is ErrorKind.PROTOCOL
        assert f"protocol {PROTOCOL_VERSION + 1}" in report.message


@pytest.mark.expects_logs
def test_an_unknown_engine_is_named_and_nothing_takes_its_place() -> None:
    config = replace(script(), engine="no such engine")
    with process(config) as heard:
        report = heard.until(JobFailed, heard.runner.submit(request())).report
        assert report.kind is ErrorKind.PLUGIN
        assert "“no such engine”" in report.message


def test_a_kept_layer_in_a_result_is_refused() -> None:
    from psdstudio.gen.planning import Verb, build_request, plan_scope
    from tests.gen.scenes import FAST, generated, kept

    doc = kept(generated("swan", "flamingo"), "swan")
    wanted = build_request(
        doc,
        plan_scope(doc, Verb.REGENERATE_FREE),
        run_id="bad",
        seed=1,
        engine="fake",
        sampling=FAST,
    )
    with process(script(("bad", Fault.KEPT_LAYER))) as heard:
        report = heard.until(JobFailed, heard.runner.submit(wanted)).report
        assert report.kind is ErrorKind.PROTOCOL
        assert "kept layers" in report.message


def test_the_child_writes_a_log_and_a_crash_file(tmp_path: Path) -> None:
    config = replace(script(("bad", Fault.RAISE)), log_folder=str(tmp_path))
    with process(config) as heard:
        heard.until(JobFailed, heard.runner.submit(request("bad")))
    text = (tmp_path / "engine.log").read_text(encoding="utf-8")
    assert "ZeroDivisionError: scripted" in text
    assert "[1]" in text
    assert (tmp_path / "engine.crash.log").exists()


def test_closing_while_it_runs_ends_the_process_soon() -> None:
    with process(script(step_delay_s=0.02)) as heard:
        heard.until(JobPreview, heard.runner.submit(request(steps=5000)))
        began = time.monotonic()
        heard.runner.shutdown(1.0)
        assert time.monotonic() - began < 10.0  # the run itself takes 100 s


_PROGRAM = """
import sys
import PySide6.QtCore  # as the window's own start file does
from psdstudio.jobs.events import JobFailed, JobFinished
from psdstudio.jobs.runner import process_runner
from tests.jobs.harness import Heard, request, script

runner = process_runner(script(modules_file={modules!r}), persist=lambda result: None)
heard = Heard(runner)
heard.until(JobFinished, runner.submit(request()))
runner.shutdown()
print("torch in parent:", "torch" in sys.modules)
"""


def test_the_child_never_loads_qt_and_the_parent_never_loads_torch(tmp_path: Path) -> None:
    modules = tmp_path / "modules.txt"
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM.format(modules=str(modules)), encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen"},
        cwd=root,
    )
    assert done.stdout.strip() == "torch in parent: False", done.stderr
    loaded = modules.read_text(encoding="utf-8").split()
    assert "psdstudio.jobs.worker_main" in loaded
    assert not [name for name in loaded if name.split(".")[0] in ("PySide6", "shiboken6", "torch")]


def test_a_worker_starts_with_one_blas_thread_and_leaves_our_environment_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "5")
    worker = ProcessWorker(script())
    worker.start(lambda _: None)
    try:
        assert os.environ["OPENBLAS_NUM_THREADS"] == "5"
        if sys.platform == "linux":
            # What the child was started with, before any line of ours ran in it.
            environment, deadline = Path(f"/proc/{worker.pid}/environ"), time.monotonic() + 5
            while b"OPENBLAS_NUM_THREADS=1\0" not in environment.read_bytes():
                assert time.monotonic() < deadline
                time.sleep(0.01)
    finally:
        worker.kill()
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    with _child_environment():
        assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_the_process_of_the_engine_before_is_gone_when_the_next_one_starts() -> None:
    made: list[ProcessWorker] = []

    def make(config: WorkerConfig) -> ProcessWorker:
        assert all(not _is_running(worker.pid) for worker in made)
        made.append(ProcessWorker(config))
        return made[-1]

    with JobRunner(make, script(), persist=keep_nothing) as runner:
        heard = Heard(runner)
        heard.until(JobFinished, runner.submit(request("a")))
        runner.use(script(max_objects=2))
        heard.until(JobFinished, runner.submit(request("b")))
    assert len(made) == 2
    assert not any(_is_running(worker.pid) for worker in made)


def test_an_engine_that_is_still_loading_is_left_for_another_at_once() -> None:
    with process(script(load_delay_s=60.0)) as heard:
        heard.runner.warm_up()
        heard.until(EngineState)
        heard.runner.use(script(max_objects=2))
        while (state := heard.until(EngineState)).phase is not EnginePhase.READY:
            pass
        assert state.info is not None
        assert state.info.max_objects == 2


def _is_running(pid: int | None) -> bool:
    return pid is not None and Path(f"/proc/{pid}").exists()
