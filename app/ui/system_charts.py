"""Charts of the System page, built from the monitor's samples. Everything here returns values; nothing draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.core.domain import Language
from app.engine import KEPT_SECONDS, PROCESS_ROLES, EngineLoad, GpuSample, Sample
from app.i18n import t
from app.ui.components.charts import Chart, Series

_SPANS = (120.0, 300.0, KEPT_SECONDS)
"""Time axes in seconds. Chosen by hand; not tuned."""
_JOBS = ("running", "waiting")


def ages(samples: Sequence[Sample]) -> list[float]:
    """List how many seconds before the newest sample each one was taken."""
    return [samples[-1].at - sample.at for sample in samples]


def span_seconds(samples: Sequence[Sample]) -> float:
    """Return the shortest time axis that shows all samples, so that the first minutes fill the chart."""
    longest = samples[-1].at - samples[0].at if samples else 0.0
    return next((span for span in _SPANS if longest <= span), KEPT_SECONDS)


def machine_charts(samples: Sequence[Sample], processor: str, language: Language) -> list[Chart]:
    """Build the charts of processor and memory; memory is split into FrameLens's own processes and the rest."""
    now = samples[-1].machine
    parts = [
        Series(_word(f"part_{part}", language), [one.machine.parts.get(part, 0) for one in samples])
        for part in PROCESS_ROLES
    ]
    others = [max(0, one.machine.memory_used_bytes - sum(one.machine.parts.values())) for one in samples]
    return [
        Chart(
            _word("cpu", language),
            [Series("", [one.machine.cpu_share for one in samples])],
            unit="share",
            top=1.0,
            note=t("system.processors", language, name=processor, n=now.processors),
            wide=True,
        ),
        Chart(
            _word("memory", language),
            [*parts, Series(_word("part_others", language), others)],
            unit="bytes",
            top=now.memory_bytes,
            stacked=True,
            wide=True,
        ),
    ]


def card_charts(samples: Sequence[Sample], card: GpuSample, language: Language) -> list[Chart]:
    """Build the charts of a card's load, memory, temperature and power; values that it doesn't report are noted."""
    history = [next((one for one in sample.cards.cards if one.index == card.index), None) for sample in samples]

    def line(value: Callable[[GpuSample], float | None]) -> list[Series]:
        return [Series("", [value(one) if one else None for one in history])]

    def note(value: float | None, words: str = "") -> str:
        return _word("not_reported", language) if value is None else words

    limit = "" if card.watts_limit is None else t("system.power_limit", language, n=round(card.watts_limit))
    return [
        Chart(
            _word("card_busy", language),
            line(lambda one: one.busy_share),
            unit="share",
            top=1.0,
            note=note(card.busy_share),
        ),
        Chart(
            _word("card_memory", language),
            line(lambda one: one.memory_used_bytes),
            unit="bytes",
            top=card.memory_bytes,
            note=note(card.memory_used_bytes),
        ),
        Chart(
            _word("card_temperature", language),
            line(lambda one: one.celsius),
            words="{n} °C",
            top=100.0,
            note=note(card.celsius),
        ),
        Chart(
            _word("card_power", language),
            line(lambda one: one.watts),
            words="{n} W",
            top=card.watts_limit,
            note=note(card.watts, limit),
        ),
    ]


def load_charts(samples: Sequence[Sample], language: Language) -> list[Chart]:
    """Build the charts of the engine's load.

    The wait for the first token is the mean over the tokens since the previous sample.
    """
    history = [sample.load if isinstance(sample.load, EngineLoad) else None for sample in samples]

    def line(name: str, value: Callable[[EngineLoad], float | None], *, sparse: bool = False) -> Series:
        return Series(_word(name, language), [value(one) if one else None for one in history], sparse)

    return [
        Chart(
            _word("requests", language),
            [line("running", lambda one: one.running), line("waiting", lambda one: one.waiting)],
        ),
        Chart(
            _word("tokens", language),
            [line("read", lambda one: one.read_per_second), line("written", lambda one: one.written_per_second)],
        ),
        Chart(
            _word("cache", language),
            [
                line("cache_used", lambda one: one.cache_share),
                line("cache_found", lambda one: one.prefix_share, sparse=True),
            ],
            unit="share",
            top=1.0,
        ),
        Chart(
            _word("first_token", language),
            [line("first_token", lambda one: one.first_token_seconds, sparse=True)],
            words=t("system.seconds", language, n="{n}"),
        ),
    ]


def queue_chart(samples: Sequence[Sample], language: Language) -> Chart:
    """Build the chart of running and waiting analyses."""
    lines = [Series(_word(name, language), [one.jobs[place] for one in samples]) for place, name in enumerate(_JOBS)]
    return Chart(_word("jobs", language), lines, wide=True)


def _word(name: str, language: Language) -> str:
    return t(f"system.{name}", language)
