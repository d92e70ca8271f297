"""Benchmark of a model's shape with dummy weights before it is downloaded: cost, obstacles, progress and results."""

from __future__ import annotations

import streamlit as st

from app import resources
from app.components import report_blocks
from app.components.controls import button, follow, show_error, show_warning
from app.context import services
from app.formatting import plain
from app.panels.menu.engine import draw_phase, short_model_name
from app.state import page_state
from framelens.analysis.planning.benchmark_result import BenchmarkResult, parse_result
from framelens.core.domain import VideoInfo
from framelens.core.errors import AppError
from framelens.core.units import gib_number
from framelens.i18n import t
from framelens.i18n.formatting import exactly, span
from framelens.models.placement import Proposal
from framelens.plugins.models.benchmark import measurements
from framelens.plugins.models.benchmark.dummy_model import check_entry
from framelens.plugins.models.benchmark.planning import estimate_analysis
from framelens.plugins.models.panels.current_model import is_changing
from framelens.plugins.models.panels.form_state import form_state
from framelens.plugins.models.selection import ModelChoice, ModelSettings
from framelens.plugins.models.tasks import tasks_of
from framelens.services.engines.hardware_profile import HardwareProfile
from framelens.services.engines.model_speed import latest_trials
from framelens.store.model_records import Measured

_FRAMES = "trial_frames"
_DEFAULT_FRAMES, _MAX_FRAMES = 16, 256
"""Frames to estimate for, at first and at most."""
_CPU_SECONDS, _GPU_SECONDS = 420, 180
"""Duration of a benchmark: of a model of 3 billion parameters on two CPU cores, and on a GPU."""


def draw(choice: ModelChoice, proposal: Proposal | None, here: HardwareProfile, wanted: ModelSettings) -> None:
    """Draw the benchmark; nothing for a model that doesn't fit or can't be benchmarked here."""
    if proposal is None or choice.entry is None or not proposal.entry.sees:
        return
    try:
        check_entry(choice.entry)
    except AppError:
        return
    is_open = _is_open(choice.model)
    with st.expander(t("models.benchmark.title"), icon=":material/speed:", expanded=is_open):
        follow(tasks_of(services()).benchmark, _draw, proposal, here, wanted)


def _is_open(model: str) -> bool:
    benchmark = tasks_of(services()).benchmark
    return benchmark.is_running or benchmark.subject == model


def latest(model: str, here: HardwareProfile) -> Measured | None:
    """Return the latest benchmark of this model on this machine, or None."""
    return latest_trials(services().settings.data_dir, here.device).get(model)


def _draw(proposal: Proposal, here: HardwareProfile, wanted: ModelSettings) -> None:
    benchmark, id_ = tasks_of(services()).benchmark, proposal.entry.id
    if benchmark.is_running:
        words = t("models.benchmark.running", model=short_model_name(benchmark.subject))
        st.markdown(f":material/progress_activity: {plain(words)}")
        if benchmark.progress:
            draw_phase(benchmark.progress)
        cancel = t("models.benchmark.cancel")
        button(cancel, "trial_cancel", benchmark.cancel, icon="close")
    else:
        _draw_offer(proposal, here, wanted)
        if benchmark.subject == id_ and benchmark.state == "failed" and benchmark.error:
            show_error(benchmark.error)
        elif benchmark.subject == id_ and benchmark.state == "cancelled":
            st.caption(t("models.benchmark.cancelled"))
    if measured := latest(id_, here):
        _draw_measured(measured)


# ---- before ----------------------------------------------------------------------------------------------------------


def _draw_offer(proposal: Proposal, here: HardwareProfile, wanted: ModelSettings) -> None:
    written = wanted.written or {}
    needed, free = measurements.needed_bytes(proposal, written), measurements.free_bytes()
    minutes = max(1, round(_expected_seconds(proposal, here) / 60))
    amounts = {"minutes": minutes, "needed": gib_number(needed), "free": gib_number(free)}
    st.caption(plain(t("models.benchmark.about", **amounts)))
    status, running = services().engine.status(), len(services().jobs.running())
    ends = status.kind != "remote" and status.state in ("starting", "ready") and needed > free
    if ends:
        st.info(plain(t("models.benchmark.ends", model=short_model_name(status.model))), icon=":material/info:")
    elif needed > free:
        show_warning(t("models.benchmark.too_little", **amounts), "memory")
    if running:
        st.caption(t("models.benchmark.waits", n=running))
    is_blocked = wanted.config is None or is_changing() or (needed > free and not ends)
    button(t("models.benchmark.begin"), "trial_begin", _begin, proposal, wanted, icon="play_arrow", disabled=is_blocked)


def _expected_seconds(proposal: Proposal, here: HardwareProfile) -> float:
    """Estimate the duration; on a CPU it grows with the active parameters, because the frames take most of it."""
    if here.card:
        return _GPU_SECONDS
    return 60 + _CPU_SECONDS * proposal.entry.shape.active_parameters / 3.75e9


def _begin(proposal: Proposal, wanted: ModelSettings) -> None:
    with form_state().catching_errors():
        tasks_of(services()).start_benchmark(proposal, wanted.written or {})


# ---- afterwards ------------------------------------------------------------------------------------------------------


def _draw_measured(measured: Measured) -> None:
    trial = parse_result(measured)
    if trial is None:
        return
    st.markdown(f"**{plain(t('models.benchmark.measured', at=str(measured.get('at', ''))))}**")
    figures = {"seconds": f"{trial.load_seconds:.0f}", "gib": gib_number(trial.peak_bytes)}
    lines = [
        t("models.benchmark_load", **figures),
        t(f"models.benchmark_memory_{trial.device}", **figures),
        t("models.benchmark_speed", pace=f"{trial.tokens_per_second:.1f}"),
    ]
    st.markdown(plain("\n".join(lines)))
    if trial.frames:
        heads = [t(f"models.column_{name}") for name in ("size", "each", "alone", "tokens")]
        rows = [
            [f"{one.width}\u00a0×\u00a0{one.height}",
             t("models.each_of", n=one.together, seconds=f"{one.each_seconds:.2f}"),
             exactly(one.alone_seconds, digits=2), f"{one.tokens:.0f}"]
            for one in trial.frames
        ]  # fmt: skip
        report_blocks.draw_table(heads, rows, key="trial_frames_table", numbers=(2, 3))
        _draw_estimate(trial)
    st.caption(t("models.benchmark_noise"))


def _draw_estimate(trial: BenchmarkResult) -> None:
    """Draw the expected duration for a number of frames, of the open video if a video is open."""
    number = st.number_input(
        t("models.benchmark.frames"), 1, _MAX_FRAMES, _DEFAULT_FRAMES, key=_FRAMES, width=160,
        persist_state="session",
    )  # fmt: skip
    name, video = _open_video()
    estimate = estimate_analysis(trial, int(number or _DEFAULT_FRAMES), video)
    if estimate and estimate.seconds:
        values = {"frames": estimate.frames, "time": span(*estimate.seconds), "name": name}
        key = "models.benchmark.of_video" if video else "models.benchmark_analysis"
        st.markdown(f":material/schedule: {plain(t(key, **values))}")


def _open_video() -> tuple[str, VideoInfo | None]:
    """Return name and probe result of the open video; of several, the first."""
    video_id = page_state().video_id
    if not video_id:
        return "", None
    try:
        path = services().videos.path(video_id)
        return services().videos.name(video_id), resources.probe_video(path)
    except AppError:  # the Analyse page reports it
        return "", None
