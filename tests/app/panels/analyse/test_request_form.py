"""What the page offers and tells before a start: templates, the plan, several videos, the queue."""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import resources
from app.panels.work import rows as rows
from framelens.analysis.planning.estimate import Planner
from framelens.analysis.planning.frame_budget import RequestCapacity
from framelens.analysis.prompts.templates import Templates, built_in
from framelens.api.playback import video_for
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest, Language, Selection
from framelens.i18n import LANGUAGES, in_language, t
from framelens.jobs.snapshot import JobSnapshot
from framelens.store.model_records import KnownTimings
from tests.app.conftest import Open
from tests.app.fake_services import ended, queue, script, with_bench
from tests.app.panels.report.test_report import parts_shown
from tests.app.views.test_analyse import texts


def with_sample(page: AppTest) -> AppTest:
    page.run()
    page.button(key="use_sample").click().run()
    assert not page.exception
    return page


def install(services: Services, **changes: object) -> None:
    changed = replace(services, **changes)  # type: ignore[arg-type]
    resources.install(resources.Installed(services=changed, key="key"))


def copies(services: Services, card_video: Path, number: int) -> list[str]:
    """The ids of so many videos."""
    paths = [card_video.with_name(f"part {place}.mp4") for place in range(number)]
    return [services.videos.from_path(str(shutil.copy(card_video, path))) for path in paths]


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_report_type_is_offered_by_name(page: AppTest, services: Services, language: Language) -> None:
    with_sample(page)
    page.button_group(key="language").set_value(language).run()
    with in_language(language):
        names = [template.name.text for template in built_in().values() if not template.needs_question]
    assert page.button_group(key="template").options == names


def test_user_templates_are_offered_and_broken_ones_named(page: AppTest, services: Services, tmp_path: Path) -> None:
    (tmp_path / "birds.toml").write_text('name = "Birds"\nask = "Name each bird."\n')
    (tmp_path / "broken.toml").write_text("name = \n")
    install(services, templates=Templates(tmp_path))
    with_sample(page)
    assert page.button_group(key="template").options[-1] == "Birds"
    assert "broken.toml is not valid TOML" in texts(page)


def test_plans_need_a_video_and_an_engine_that_answered(page: AppTest, services: Services) -> None:
    # Without a video nothing is planned.
    page.run()
    assert "about" not in texts(page)
    # An engine that has answered before has a time.
    install(with_bench(services, planner=quick_planner()))
    with_sample(page)
    assert "Automatic: about 8 frames · about " in texts(page)


@pytest.mark.slow
def test_the_plan_follows_every_control_at_once(page: AppTest, services: Services) -> None:
    with_sample(page)
    assert "Automatic: about 8 frames" in texts(page)
    page.toggle(key="is_automatic").set_value(False).run()
    page.number_input(key="frames").set_value(20).run()
    assert "20 frames" in texts(page)
    page.radio(key="strategy").set_value("every").run()
    assert "at most 1 frame" in texts(page) or "at most 2 frames" in texts(page)


def quick_planner() -> Planner:
    """A planner that knows the time of three requests."""
    return Planner(
        lambda *_: None, RequestCapacity(8192, 1024), None, lambda: KnownTimings((5.0,) * 3), lambda *_: None
    )


@pytest.mark.slow
@pytest.mark.parametrize("language, words", [("en", " per video"), ("zh", "每个视频约需 ")])
def test_the_time_of_several_videos_is_for_each(
    page: AppTest, services: Services, card_video: Path, language: str, words: str
) -> None:
    install(with_bench(services, planner=quick_planner()))
    first, second = copies(services, card_video, 2)
    page.query_params["video"] = first
    page.run()
    page.button_group(key="language").set_value(language).run()
    assert words not in texts(page)
    page.query_params["also"] = second
    page.run()
    assert len([one for one in page.caption if words in one.value]) == 1


@pytest.mark.slow
def test_the_number_of_frames_is_automatic(page: AppTest, services: Services) -> None:
    with_sample(page)
    page.button(key="start").click().run()
    request = services.jobs.snapshot(page.query_params["job"]).request
    assert request.adapts and request.frames == 256


@pytest.mark.slow
def test_the_size_that_was_chosen_is_asked_for(page: AppTest, services: Services) -> None:
    with_sample(page)
    page.selectbox(key="side").select(640).run()
    page.button(key="start").click().run()
    assert services.jobs.snapshot(page.query_params["job"]).request.side == 640


# ---- several videos, and the queue


@pytest.mark.slow
def test_of_several_videos_each_can_be_shown_and_left_out(page: AppTest, services: Services, card_video: Path) -> None:
    first, second, third = copies(services, card_video, 3)
    page.query_params["video"], page.query_params["also"] = first, f"{second},{third}"
    page.run()
    page.button(key=f"show-{third}").click().run()
    assert (page.query_params["video"], page.query_params["also"]) == (third, f"{first},{second}")
    page.button(key=f"leave-{first}").click().run()
    page.button(key=f"leave-{third}").click().run()
    assert page.query_params["video"] == second
    assert "also" not in page.query_params
    assert page.button(key="start").label == t("ui.start", "en")


@pytest.mark.slow
def test_several_videos_without_a_plugin_are_refused(
    page: AppTest, services: Services, card_video: Path, use_plugins: Callable[..., None]
) -> None:
    use_plugins()
    first, second = copies(services, card_video, 2)
    page.query_params["video"], page.query_params["also"] = first, second
    page.run()
    page.button(key="start").click().run()
    assert "need the plugin batch" in texts(page) and not page.exception
    assert services.jobs.recent() == []
    page.button(key=f"leave-{second}").click().run()
    page.button(key="start").click().run()
    assert [job.name for job in services.jobs.recent()] == ["part 0.mp4"]


def test_the_queue_shows_whose_turn_is_next_and_can_be_changed(
    page: AppTest, open_services: Open, card_video: Path, hold: threading.Event
) -> None:
    services = open_services(script(hold=hold))
    numbers = (16, 8, 8, 8, 8)  # of frames; eight surely fit one part
    times = [Selection("times", None, tuple(place / 16 for place in range(number))) for number in numbers]
    requests = [AnalysisRequest(card_video, frames=len(one.times_seconds), selection=one) for one in times]
    jobs = [services.jobs.submit(request, name=f"{place}.mp4") for place, request in enumerate(requests)]
    while len(services.jobs.waiting()) > 3:
        time.sleep(0.01)
    page.run()
    rows = queue_rows(page)
    assert [row["name"] for row in rows] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4", "4.mp4"]
    assert [[*row["actions"]] for row in rows] == [
        ["pause", "cancel"],
        ["cancel"],
        ["cancel"],
        ["first", "cancel"],
        ["first", "cancel"],
    ]
    page.button(key="queue_cancel_all").click().run()
    assert not page.exception
    assert [ended(services, job).state for job in jobs] == ["cancelled"] * 5


def test_queue_reports_the_time_until_all_are_over(
    page: AppTest, open_services: Open, card_video: Path, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job without an estimate counts like the others."""
    services = open_services(script(hold=hold))
    jobs = [services.jobs.submit(AnalysisRequest(card_video), name=f"{place}.mp4") for place in range(5)]
    while len(services.jobs.waiting()) > 3:
        time.sleep(0.01)
    monkeypatch.setattr(rows, "expected_seconds", lambda job_id, _: None if job_id == jobs[4] else 120.0)
    monkeypatch.setattr(JobSnapshot, "share", 0.0)
    page.run()
    assert "5 analyses · about 10 min left" in texts(page)


def queue_rows(page: AppTest) -> list[dict[str, Any]]:
    """The rows of the queue; rows of recent analyses offer no actions."""
    shown = [part["jobs"] for part in parts_shown(page) if "jobs" in part]
    return next(rows for rows in shown if any(row["actions"] for row in rows))


def test_a_single_job_needs_no_queue(
    page: AppTest, open_services: Open, card_video: Path, hold: threading.Event
) -> None:
    services = open_services(script(hold=hold))
    services.jobs.submit(AnalysisRequest(card_video), name="a.mp4")
    while services.jobs.waiting():
        time.sleep(0.01)
    page.run()
    assert "queue_cancel_all" not in [one.key for one in page.button]


# ---- what was analysed before


@pytest.mark.slow
def test_repeated_request_opens_existing_report(page: AppTest, open_services: Open, tmp_path: Path) -> None:
    services = open_services(script())
    jobs = queue(services.store, script(), tmp_path / "second", sha256="ab" * 32)
    install(services, jobs=jobs)
    try:
        with_sample(page)
        page.button(key="start").click().run()
        before = page.query_params["job"]
        ended(replace(services, jobs=jobs), before)
        page.button(key="new").click().run()
        with_sample(page)
        page.button(key="start").click().run()
        assert page.query_params["job"] == before
        assert f"The same analysis was made on {jobs.snapshot(before).created[:16].replace('T', ' ')}" in texts(page)
        page.button(key="repeat_request").click().run()
        assert page.query_params["job"] != before
        ended(replace(services, jobs=jobs), page.query_params["job"])
        page.run()
        assert "The same was analysed" not in texts(page)
    finally:
        jobs.close()


@pytest.mark.slow
def test_report_made_elsewhere_plays_the_video_given_here(
    page: AppTest, open_services: Open, card_video: Path, tmp_path: Path
) -> None:
    (far := tmp_path / "far.mp4").write_bytes(card_video.read_bytes())
    services = open_services(script())
    jobs = queue(services.store, script(), tmp_path / "second", sha256="ab" * 32)
    install(services, jobs=jobs)
    services = replace(services, jobs=jobs)
    try:
        with_sample(page)
        page.button(key="start").click().run()
        first = ended(services, page.query_params["job"])
        jobs.remove(first.id)
        elsewhere = ended(services, jobs.submit(replace(first.request, path=far), name="a.mp4"))
        assert video_for(services.videos, jobs, elsewhere) is None
        page.button(key="new").click().run()
        with_sample(page)
        page.button(key="start").click().run()
        assert page.query_params["job"] == elsewhere.id
        assert video_for(services.videos, jobs, elsewhere) is not None
    finally:
        jobs.close()
