"""Several engines as one: the engine that a video goes to, and what becomes of engines that fail."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from framelens.core.errors import ConfigError, EngineError
from framelens.engine.base import Endpoint, Engine
from framelens.engine.engine_pool import EnginePool
from framelens.engine.remote_engine import RemoteEngine, normal_base_urls
from framelens.i18n import error_text, notice_text
from tests.llm.scripted import Server, saying, serve

NEVER = threading.Event()


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serve(saying("yes"))) for _ in range(3)]


@pytest.fixture
def pool(servers: list[Server]) -> Iterator[EnginePool]:
    made = pool_of(servers)
    yield made
    made.stop()


def pool_of(servers: list[Server], model: str = "") -> EnginePool:
    return EnginePool([RemoteEngine(server.base_url, model=model) for server in servers], probe_seconds=0.05)


def ready(engine: Engine) -> Endpoint:
    return engine.ensure_ready(lambda _: None, NEVER)


def address_of(pool: EnginePool, video: str) -> str:
    """The address that a video gets when nothing else is at work."""
    engine = pool.for_video(lambda: video)
    address = ready(engine).base_url
    engine.leave()
    return address


def until_working(pool: EnginePool, number: int) -> None:
    """Wait for the probe; the test's own time limit ends the wait for what never comes."""
    while sum(one.state == "ready" for one in pool.statuses()) != number:
        time.sleep(0.01)


@pytest.mark.slow
def test_videos_are_spread_and_each_stays_where_it_is(servers: list[Server], pool: EnginePool) -> None:
    first = {str(video): address_of(pool, str(video)) for video in range(30)}
    assert set(first.values()) == {server.base_url for server in servers}
    assert {video: address_of(pool, video) for video in first} == first
    after_restart, reordered = pool_of(servers), pool_of(servers[::-1])
    assert {video: address_of(after_restart, video) for video in first} == first
    assert {video: address_of(reordered, video) for video in first} == first


def test_videos_at_work_are_spread_evenly(servers: list[Server], pool: EnginePool) -> None:
    at_work = [pool.for_video(lambda video=video: str(video)) for video in range(9)]  # type: ignore[misc]
    assert Counter(ready(one).base_url for one in at_work) == {server.base_url: 3 for server in servers}
    freed = at_work[4].status().info
    at_work[4].leave()
    assert freed and ready(pool.for_video(lambda: "new")).base_url == freed.base_url


@pytest.mark.slow
def test_only_videos_of_a_dead_engine_move(servers: list[Server], pool: EnginePool) -> None:
    before = {str(video): address_of(pool, str(video)) for video in range(30)}
    servers[0].dead.set()
    after = {video: address_of(pool, video) for video in before}
    assert servers[0].base_url not in after.values()
    assert {video for video in before if before[video] != after[video]} == {
        video for video in before if before[video] == servers[0].base_url
    }
    servers[0].dead.clear()
    until_working(pool, 3)
    assert {video: address_of(pool, video) for video in before} == after, "their pictures are there by now"
    assert servers[0].base_url in {address_of(pool, f"new {video}") for video in range(30)}


@pytest.mark.slow
def test_an_engine_missing_at_the_start_costs_one_warning(
    servers: list[Server], pool: EnginePool, caplog: pytest.LogCaptureFixture
) -> None:
    servers[1].dead.set()
    with caplog.at_level(logging.INFO):
        assert {address_of(pool, str(video)) for video in range(20)} == {servers[0].base_url, servers[2].base_url}
        (notice,) = pool.status().notices
        assert servers[1].base_url in notice_text(notice, "en") and servers[1].base_url in notice_text(notice, "zh")
        assert pool.status().state == "ready"
        assert [record.levelname for record in caplog.records if servers[1].base_url in record.getMessage()] == [
            "WARNING"
        ]
        servers[1].dead.clear()
        until_working(pool, 3)
        address_of(pool, "0")
    assert pool.status().notices == ()
    assert f"{servers[1].base_url} is used again" in caplog.text


def test_a_failed_engine_that_answers_stays(servers: list[Server], pool: EnginePool) -> None:
    engine = pool.for_video(lambda: "video")
    used = ready(engine).base_url
    assert engine.end_if_unwell() is None
    next(server for server in servers if server.base_url == used).dead.set()
    error = engine.end_if_unwell()
    assert error and used in error_text(error, "en")
    assert engine.status().error is error
    assert ready(engine).base_url != used


def test_all_dead_names_all_and_works_again_at_once(servers: list[Server], pool: EnginePool) -> None:
    for server in servers:
        server.dead.set()
    with pytest.raises(EngineError) as caught:
        ready(pool)
    assert caught.value.key == "engines_unusable"
    for server in servers:
        assert server.base_url in error_text(caught.value, "en") and server.base_url in error_text(caught.value, "zh")
    status = pool.status()
    assert status.state == "failed" and status.error
    servers[2].dead.clear()
    assert ready(pool).base_url == servers[2].base_url


@pytest.mark.slow
def test_engines_with_different_models_need_a_choice(servers: list[Server], pool: EnginePool) -> None:
    servers[1].model = "another"
    with pytest.raises(EngineError) as caught:
        ready(pool)
    assert caught.value.key == "engines_differ" and pool.status().error is caught.value
    for words in ("another", "model", servers[1].base_url):
        assert words in error_text(caught.value, "en") and words in error_text(caught.value, "zh")
    chosen = pool_of(servers, "another")
    assert {address_of(chosen, str(video)) for video in range(9)} == {servers[1].base_url}
    assert len(chosen.status().notices) == 2
    chosen.stop()
    servers[1].model = "model"
    assert ready(pool).model == "model" and pool.status().state == "ready"


@pytest.mark.slow
def test_an_engine_that_returns_with_another_model_stays_out(servers: list[Server], pool: EnginePool) -> None:
    address_of(pool, "0")
    servers[0].model = "another"
    assert servers[0].base_url not in {address_of(pool, str(video)) for video in range(20)}
    (notice,) = pool.status().notices
    assert "another" in notice_text(notice, "en")


def test_all_engines_may_change_to_another_model(servers: list[Server], pool: EnginePool) -> None:
    assert ready(pool).model == "model"
    for server in servers:
        server.model = "another"
    assert ready(pool).model == "another"


def test_context_of_the_pool_is_the_shortest(servers: list[Server], pool: EnginePool) -> None:
    servers[2].context = 4096
    ready(pool)
    info = pool.status().info
    assert info and info.max_model_len == 4096
    assert {one.info.max_model_len for one in pool.statuses() if one.info} == {8192, 4096}


def test_a_list_of_addresses_is_read_in_any_form() -> None:
    same = ("http://a:1/v1", "http://b:2/v1")
    for given in ("http://a:1,http://b:2", " http://a:1 \n http://b:2/v1/ ", "http://a:1, http://b:2, http://a:1/v1,"):
        assert normal_base_urls(given) == same
    for wrong in (" , ", "", "http://a:1, b:2"):
        with pytest.raises(ConfigError) as caught:
            normal_base_urls(wrong)
        assert caught.value.key == "base_url_invalid"
