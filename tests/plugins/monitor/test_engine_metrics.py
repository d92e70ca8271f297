"""From vLLM's metrics to what the engine does; counters that go back and engines without metrics among them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from framelens.engine.base import EngineStatus
from framelens.plugins.monitor import engine_metrics as loads
from framelens.plugins.monitor.engine_metrics import (
    EngineLoad,
    EngineMetricsReader,
    MetricsReading,
    load_between,
    parse_metrics,
)
from tests.loopback import Handler, listening

TEXT = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a \\"b\\" } c"} 3.0
vllm:num_requests_waiting{engine="0",model_name="x"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="x"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="x"} 1000.0
vllm:prompt_tokens_created{engine="0",model_name="x"} 1.7e+09
vllm:generation_tokens_total{engine="0",model_name="x"} 200.0
vllm:prefix_cache_queries_total{engine="0",model_name="x"} 1000.0
vllm:prefix_cache_hits_total{engine="0",model_name="x"} 400.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="x"} 2.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="x"} 4.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="x"} 2.0
this is no metric
process_open_fds 12.0
"""


def later(text: str, **grown: float) -> str:
    lines = []
    for line in text.splitlines():
        name = line.partition("{")[0].removeprefix("vllm:")
        head, _, value = line.rpartition(" ")
        lines.append(f"{head} {float(value) + grown[name]}" if name in grown else line)
    return "\n".join(lines)


def reading(text: str, at: float) -> MetricsReading:
    found = parse_metrics(text, at)
    assert found
    return found


def test_metrics_need_two_readings_and_are_summed() -> None:
    # At first only what is so right now is reported.
    assert load_between(None, reading(TEXT, 1.0)) == EngineLoad(running=3.0, waiting=1.0, cache_share=0.25)
    # Idle engine has zero rates and no latencies.
    load = load_between(reading(TEXT, 1.0), reading(TEXT, 3.0))
    assert (load.read_per_second, load.written_per_second) == (0.0, 0.0)
    assert load.prefix_share is None and load.first_token_seconds is None
    # Engines at one address are summed.
    both = reading(TEXT + TEXT.replace('engine="0"', 'engine="1"').replace("} 0.25", "} 0.75"), 1.0)
    assert both.values["running"] == 6.0 and both.values["cache_share"] == 0.5


def test_rates_and_means_are_of_the_time_between_two_readings() -> None:
    grown = {
        "prompt_tokens_total": 600,
        "generation_tokens_total": 100,
        "prefix_cache_queries_total": 600,
        "prefix_cache_hits_total": 450,
        "time_to_first_token_seconds_count": 2,
        "time_to_first_token_seconds_sum": 0.6,
    }
    load = load_between(reading(TEXT, 1.0), reading(later(TEXT, **grown), 3.0))
    assert load == EngineLoad(3.0, 1.0, 0.25, 0.75, 300.0, 50.0, pytest.approx(0.3))


@pytest.mark.parametrize(
    ("grown", "at"), [({"generation_tokens_total": -1}, 3.0), ({"generation_tokens_total": 9}, 30.0)]
)
def test_reset_counter_and_long_pause_leave_a_gap(grown: dict[str, float], at: float) -> None:
    load = load_between(reading(TEXT, 1.0), reading(later(TEXT, **grown), at))
    assert load == EngineLoad(running=3.0, waiting=1.0, cache_share=0.25)


@pytest.mark.parametrize(
    "text", ["", "llamacpp:requests_processing 1\n", "<html>no</html>", "vllm:num_requests_running x"]
)
def test_metrics_of_another_kind_are_none(text: str) -> None:
    assert parse_metrics(text, 1.0) is None


class Idle:
    """An engine that was never started."""

    def status(self) -> EngineStatus:
        return EngineStatus("stopped", "vllm", "m")


@contextmanager
def publishing(answers: list[tuple[int, str]]) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A server that gives these answers in turn, the last again and again; and its requests with their keys."""
    asked: list[tuple[str, str | None]] = []

    class Metrics(Handler):
        def do_GET(self) -> None:
            status, text = answers.pop(0) if len(answers) > 1 else answers[0]
            asked.append((self.path, self.headers.get("Authorization")))
            self.send_whole(status, text.encode(), {"Content-Type": "text/plain"})

    with listening(Metrics) as url:
        yield f"{url}/v1", asked


def reader(base_url: str, now: list[float], **options: Any) -> EngineMetricsReader:
    addresses = base_url.replace(",", " ").split()
    return EngineMetricsReader(Idle(), base_urls=addresses, clock=lambda: now[0], **options)  # type: ignore[arg-type]


def test_an_engine_elsewhere_is_asked_at_its_root_with_its_key() -> None:
    now = [1.0]
    with publishing([(200, TEXT), (200, later(TEXT, generation_tokens_total=10))]) as (url, asked):
        ask = reader(url, now, api_key="secret")
        first = ask()
        now[0] += 2.0
        second = ask()
    assert isinstance(first, EngineLoad) and first.written_per_second is None
    assert isinstance(second, EngineLoad) and second.written_per_second == 5.0
    assert asked == [("/metrics", "Bearer secret")] * 2


def test_several_engines_are_summed_without_silent_ones() -> None:
    now, half = [1.0], TEXT.replace("} 0.25", "} 0.75")
    with publishing([(200, TEXT)]) as (gone, _):
        pass
    grown = [(200, text) for text in (TEXT, later(TEXT, generation_tokens_total=10))]
    with publishing(grown) as (one, _), publishing([(200, half)]) as (two, _), publishing([(404, "")]) as (bare, asked):
        ask = reader(f"{one}, {gone} {two}, {bare}", now)
        first = ask()
        now[0] += 2.0
        second = ask()
    assert isinstance(first, EngineLoad) and (first.running, first.cache_share) == (6.0, 0.5)
    assert isinstance(second, EngineLoad) and second.written_per_second == 5.0
    assert len(asked) == 1


@pytest.mark.parametrize("answer", [(404, "not here"), (401, "no"), (200, "<html>")])
def test_one_without_metrics_is_left_in_peace_for_a_while(answer: tuple[int, str]) -> None:
    now = [1.0]
    with publishing([answer, (200, TEXT)]) as (url, asked):
        ask = reader(url, now)
        assert ask() == "no_metrics"
        now[0] += 2.0
        assert ask() == "no_metrics" and len(asked) == 1
        now[0] += loads.RETRY_SECONDS
        assert isinstance(ask(), EngineLoad)


def test_stopped_and_silent_engines_say_so() -> None:
    with publishing([(200, TEXT)]) as (url, _):
        gone = url
    assert reader(gone, [1.0])() == "no_answer"
    assert reader("", [1.0])() == "not_running"
