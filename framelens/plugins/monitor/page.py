"""System page: machine, cards, engine and queue as charts of the last minutes with current values.

The open page asks the monitor for samples; the monitor measures only while it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from framelens.plugin import requires, t
from framelens.plugin.machine import GpuSample, cpu_name
from framelens.plugin.texts import error_words, joined, phase_text, plain, short_model_name
from framelens.plugin_page import Chart, PageTools, Series
from framelens.plugins.monitor.engine_metrics import LONGEST_INTERVAL_SECONDS, EngineLoad
from framelens.plugins.monitor.machine_metrics import PROCESS_ROLES
from framelens.plugins.monitor.monitor import KEPT_SECONDS, PERIOD_SECONDS, Sample, monitor_of

if TYPE_CHECKING:
    from framelens.plugin.analyses import JobSnapshot
    from framelens.plugin.engines import EngineStatus

_SPANS = (120.0, 300.0, KEPT_SECONDS)
"""Time axes in seconds."""
_JOBS = ("running", "waiting")


@requires("administrator")
def draw(ui: PageTools) -> None:
    """Draw the page; its charts refresh by themselves."""
    st.markdown(f"## {t('ui.page_system')}")
    st.caption(t("system.about", n=round(PERIOD_SECONDS)))
    st.fragment(_draw, run_every=PERIOD_SECONDS)(ui)


@requires("administrator")
def _draw(ui: PageTools) -> None:
    samples = monitor_of(ui.services).watch()
    if not samples or monitor_of(ui.services).has_failed:
        text = t("system.stopped" if samples else "system.nothing", log=ui.services.log_path)
        st.info(plain(text), icon=":material/monitoring:")
    if not samples:
        return
    _draw_heading("machine")
    _draw_charts(ui, "machine", samples, machine_charts(samples, cpu_name()))
    _draw_cards(ui, samples)
    _draw_engine(ui, samples)
    _draw_queue(ui, samples)


def _draw_cards(ui: PageTools, samples: Sequence[Sample]) -> None:
    now = samples[-1].cards
    if now.absence and now.absence != "no_card":
        _draw_heading("cards")
        st.caption(plain(t(f"system.gpu_unavailable.{now.absence}", detail=now.detail)))
    for card in now.cards:
        number = str(card.index) if len(now.cards) > 1 else ""
        _draw_heading("cards", number, card.name or t("system.card_not_responding"))
        _draw_charts(ui, f"card-{card.index}", samples, card_charts(samples, card))


def _draw_engine(ui: PageTools, samples: Sequence[Sample]) -> None:
    status = ui.services.engine.status()
    _draw_heading("engine")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        ui.draw_engine_state(status)
        for fact in (short_model_name(status.model), *ui.engine_facts(status)):
            st.badge(plain(fact), color="gray")
    ui.draw_engines()
    if reason := _no_load_reason(status, samples[-1]):
        st.caption(plain(reason))
    if any(isinstance(sample.load, EngineLoad) for sample in samples):
        _draw_charts(ui, "engine", samples, load_charts(samples))


def _no_load_reason(status: EngineStatus, now: Sample) -> str:
    """Return why the engine reports no load; "" where it does."""
    if isinstance(now.load, EngineLoad):
        return ""
    if now.load == "not_running" and status.error:
        return error_words(status.error)
    if now.load == "not_running" and status.phase:
        return phase_text(status.phase)
    return t(f"system.engine_unavailable.{now.load}")


def _draw_queue(ui: PageTools, samples: Sequence[Sample]) -> None:
    """Draw the queue, where something ran or waited in the time that is shown."""
    if not any(any(sample.jobs) for sample in samples):
        return
    _draw_heading("queue")
    _draw_charts(ui, "queue", samples, [queue_chart(samples)])
    running, waiting = ui.services.jobs.all_running(), ui.services.jobs.waiting()
    for job in running:
        st.markdown(f":material/progress_activity: {plain(_line(job))}")
    for position, job in enumerate(waiting, start=1):
        st.markdown(f":material/schedule: {plain(f'{position}. {job.name}')}")


def _line(job: JobSnapshot) -> str:
    stage = t(f"stage.{job.progress.stage}") if job.progress.stage else ""
    return joined(job.name, stage)


def _draw_heading(name: str, number: str = "", about: str = "") -> None:
    """Draw the heading of a section, with the number and the name of its subject."""
    heading = f"{t(f'system.head_{name}')} {number}".strip()
    st.markdown(f"##### {plain(joined(heading, about))}")


def _draw_charts(ui: PageTools, name: str, samples: Sequence[Sample], drawn: Sequence[Chart]) -> None:
    span = span_seconds(samples)
    labels = {"first": t("system.minutes_ago", n=round(span / 60)), "last": t("system.now"), "none": "–"}
    labels["ago"] = t("system.seconds_ago", n="{n}")
    scale = {"span_seconds": span, "gap_seconds": LONGEST_INTERVAL_SECONDS}
    ui.draw_charts(drawn, ages(samples), key=f"system-{name}", words=labels, **scale)


def ages(samples: Sequence[Sample]) -> list[float]:
    """List how many seconds before the newest sample each sample was taken."""
    return [samples[-1].at - sample.at for sample in samples]


def span_seconds(samples: Sequence[Sample]) -> float:
    """Return the shortest time axis that shows all samples, so that the first minutes fill the chart."""
    longest = samples[-1].at - samples[0].at if samples else 0.0
    return next((span for span in _SPANS if longest <= span), KEPT_SECONDS)


def machine_charts(samples: Sequence[Sample], processor: str) -> list[Chart]:
    """Build the charts of processor and memory; memory is split into FrameLens's own processes and the rest."""
    now, machines = samples[-1].machine, [sample.machine for sample in samples]
    parts = [
        Series(_word(f"part_{part}"), [sample.parts.get(part, 0) for sample in machines]) for part in PROCESS_ROLES
    ]
    others = [max(0, sample.memory_used_bytes - sum(sample.parts.values())) for sample in machines]
    parts.append(Series(_word("part_others"), others))
    note, busy = t("system.processors", name=processor, n=now.processors), [sample.cpu_share for sample in machines]
    return [
        Chart(_word("cpu"), [Series("", busy)], unit="share", top=1.0, note=note, wide=True),
        Chart(_word("memory"), parts, unit="bytes", top=now.memory_bytes, stacked=True, wide=True),
    ]


def card_charts(samples: Sequence[Sample], card: GpuSample) -> list[Chart]:
    """Build the charts of a card's load, memory, temperature and power; values that it doesn't report are noted."""
    history = [
        next((found_card for found_card in sample.cards.cards if found_card.index == card.index), None)
        for sample in samples
    ]

    def line(value: Callable[[GpuSample], float | None]) -> list[Series]:
        return [Series("", [value(reading) if reading else None for reading in history])]

    def note(value: float | None, text: str = "") -> str:
        return _word("not_reported") if value is None else text

    limit = "" if card.watts_limit is None else t("system.power_limit", n=round(card.watts_limit))
    busy, memory = line(lambda reading: reading.busy_share), line(lambda reading: reading.memory_used_bytes)
    warm, power = line(lambda reading: reading.celsius), line(lambda reading: reading.watts)
    used = note(card.memory_used_bytes)
    return [
        Chart(_word("card_busy"), busy, unit="share", top=1.0, note=note(card.busy_share)),
        Chart(_word("card_memory"), memory, unit="bytes", top=card.memory_bytes, note=used),
        Chart(_word("card_temperature"), warm, words="{n} °C", top=100.0, note=note(card.celsius)),
        Chart(_word("card_power"), power, words="{n} W", top=card.watts_limit, note=note(card.watts, limit)),
    ]


def load_charts(samples: Sequence[Sample]) -> list[Chart]:
    """Build the charts of the engine's load.

    The wait for the first token is the mean over the tokens since the previous sample.
    """
    history = [sample.load if isinstance(sample.load, EngineLoad) else None for sample in samples]

    def line(name: str, value: Callable[[EngineLoad], float | None], *, sparse: bool = False) -> Series:
        return Series(_word(name), [value(reading) if reading else None for reading in history], sparse)

    requests = line("running", lambda reading: reading.running), line("waiting", lambda reading: reading.waiting)
    tokens = (
        line("read", lambda reading: reading.read_per_second),
        line("written", lambda reading: reading.written_per_second),
    )
    hits = line("cache_found", lambda reading: reading.prefix_share, sparse=True)
    wait = line("first_token", lambda reading: reading.first_token_seconds, sparse=True)
    return [
        Chart(_word("requests"), requests),
        Chart(_word("tokens"), tokens),
        Chart(_word("cache"), [line("cache_used", lambda reading: reading.cache_share), hits], unit="share", top=1.0),
        Chart(_word("first_token"), [wait], words=t("system.seconds", n="{n}")),
    ]


def queue_chart(samples: Sequence[Sample]) -> Chart:
    """Build the chart of running and waiting analyses."""
    lines = [Series(_word(name), [sample.jobs[index] for sample in samples]) for index, name in enumerate(_JOBS)]
    return Chart(_word("jobs"), lines, wide=True)


def _word(name: str) -> str:
    return t(f"system.{name}")
