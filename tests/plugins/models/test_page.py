"""The Models page: the model in use, another model chosen and loaded, a table, and failures shown."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import resources
from app.context import LANGUAGE_KEY
from framelens import config
from framelens.composition import Services
from framelens.core.domain import AnalysisRequest, EngineInfo, Language
from framelens.core.errors import Cancelled, EngineError, ModelNotFound
from framelens.core.events import EngineProgress
from framelens.engine.base import Endpoint, EngineStatus, Launcher
from framelens.engine.hardware_profile import HardwareProfile
from framelens.i18n import LANGUAGES, error_text, t
from framelens.jobs.answers import Answers
from framelens.models.placement import GpuCard
from framelens.plugins.models.tasks import tasks_of
from framelens.questions.conversation import AskSettings
from tests.app.conftest import Open
from tests.app.fake_services import ScriptedEngine, ended, script, with_bench
from tests.app.panels.report.test_report import parts_shown
from tests.app.views.test_analyse import texts
from tests.engine.fakes import fake_launcher

Show = Callable[..., AppTest]


def models_page() -> None:
    from app.page_tools import TOOLS
    from framelens.plugins.models import page as models

    models.draw(TOOLS)


@pytest.fixture
def show(services: Services, monkeypatch: pytest.MonkeyPatch) -> Show:
    """The page on a card of 24 GB, or another machine, with an engine of this status."""

    def show_with(
        status: EngineStatus | None = None,
        *,
        place: HardwareProfile | None = None,
        language: Language = "en",
        changed: Services | None = None,
    ) -> AppTest:
        monkeypatch.setattr(
            HardwareProfile, "here", lambda: place or HardwareProfile("here", GpuCard(24, 8.9, "RTX 4090"))
        )
        shown = changed or (with_bench(services, engine=ScriptedEngine(status)) if status else services)
        resources.install(resources.Installed(services=shown, key="key"))
        page = AppTest.from_function(models_page, default_timeout=60)
        page.session_state[LANGUAGE_KEY] = language
        page.run()
        assert not page.exception
        return page

    return show_with


def rows(page: AppTest, place: int = 0) -> list[dict[str, Any]]:
    """The rows of the models that run here, or of those for a size of memory."""
    return [shown["rows"] for shown in parts_shown(page) if "folds" in shown][place]


def name(page: AppTest, model: str) -> AppTest:
    page.text_input(key="model_name").set_value(model).run()
    assert not page.exception
    return page


def badges(page: AppTest) -> str:
    return " ".join(one.value for one in page.markdown if "-badge[" in one.value).replace("\\", "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_current_model_shows_state_vision_and_device(show: Show, language: Language) -> None:
    info = EngineInfo("vllm", "m", "http://127.0.0.1:1/v1", "0.32.0", 8192, sees=True)
    page = show(EngineStatus("ready", "vllm", "/models/Tiny-VL", info=info), language=language)
    assert t("ui.engine_ready", language) in badges(page)
    assert t("models.page.sees_yes", language) in badges(page)
    details = next(one for one in page.expander if one.label == t("ui.details", language))
    facts = " ".join(one.value for one in details.caption).replace("\\", "")
    assert "vLLM 0.32.0" in facts and t("models.context", language, n=8192) in facts


def test_failed_engine_says_why_and_offers_restart(show: Show) -> None:
    error = EngineError("cuda_out_of_memory", model="m")
    page = show(EngineStatus("failed", "vllm", "m", error=error))
    assert error_text(error, "en") in texts(page)
    assert not page.button(key="model_start").disabled


def test_weights_on_their_way_are_a_bar(show: Show) -> None:
    phase = EngineProgress("loading", {"done": 1, "total": 4})
    page = show(EngineStatus("starting", "vllm", "m", phase=phase))
    assert [bar.proto.value for bar in page.get("progress")] == [25]
    assert page.button(key="model_stop")


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_model_list_is_ranked_for_the_memory(show: Show, language: Language) -> None:
    page = show(language=language)
    first = [row["id"] for row in rows(page)]
    assert all(0 < row["share"] <= 1 for row in rows(page))
    page.button_group(key="model_place").set_value("8 GB").run()
    assert [row["id"] for row in rows(page)] == first != [row["id"] for row in rows(page, 1)]
    assert all(row["memory"].endswith("/ 8 GiB") for row in rows(page, 1))


@pytest.mark.slow
def test_a_cpu_is_a_place_too(show: Show) -> None:
    page = show(place=HardwareProfile("here", None, memory_gib=16))
    assert t("models.machine_cpu", "en", gib="16") in texts(page)
    assert "gpu_memory_utilization" not in name(page, "Qwen/Qwen2.5-VL-3B-Instruct").text_area(key="model_config").value


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_three_cards_have_size_licence_and_reason(show: Show, language: Language) -> None:
    place = HardwareProfile("here", None, memory_gib=24)
    page = show(place=place, language=language)
    shown = [one.key for one in page.button if str(one.key).startswith("model_card_")]
    assert shown == ["model_card_best", "model_card_quick", "model_card_small"]
    assert all(words in texts(page) for words in ("8.9 GB · Apache-2.0", "4.3 GB · Apache-2.0", "2.5 GB · Apache-2.0"))
    captions = [one.value for one in page.caption]
    assert any(one.endswith(t("models.card.best", language)) for one in captions)
    assert rows(page)[0]["id"] == "Qwen/Qwen3-VL-4B-Instruct"


@pytest.mark.slow
def test_wrong_name_gets_the_nearest_names(show: Show) -> None:
    page = name(show(), "Qwen2.5-VL-7")
    assert "VLLM_MODEL_PATH" not in texts(page) and "Qwen2.5-VL-7" in page.warning[0].value.replace("\\", "")
    near = [str(one.key) for one in page.button if "model_near_" in str(one.key)]
    page.button(key=near[0]).click().run()
    assert page.text_input(key="model_name").value == near[0].removeprefix("model_near_")
    page = name(show(language="zh"), "百川")
    assert "VLLM" not in page.warning[0].value and "百川" in page.warning[0].value and not page.error


@pytest.mark.slow
@pytest.mark.parametrize(("language", "words"), [("en", "does not fit"), ("zh", "本机放不下")])
def test_default_that_is_not_here_is_not_in_use(
    show: Show, services: Services, language: Language, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    settings = replace(services.settings, model_path=config.DEFAULT_MODEL_PATH, model_chosen=False)
    changed = with_bench(services, settings=settings)
    page = show(place=HardwareProfile("here", None, memory_gib=20), language=language, changed=changed)
    assert t("models.missing.none", language) in texts(page) and words in texts(page)
    assert "model_start" not in {one.key for one in page.button} and t("ui.engine_stopped", language) not in texts(page)


@pytest.mark.slow
def test_a_name_of_ollama_is_explained_and_mapped(show: Show) -> None:
    page = name(show(), "qwen2.5vl:7b")
    meant = "Qwen/Qwen2.5-VL-7B-Instruct"
    assert t("models.why.ollama", "en", asked="qwen2.5vl:7b", id=meant) in texts(page)
    assert t("models.page.use_download", "en") == page.button(key="model_use").label


@pytest.mark.slow
def test_what_is_no_model_says_what_there_is_instead(show: Show) -> None:
    page = name(show(), "/nowhere/at-all")
    assert "/nowhere/at-all" in texts(page)
    assert not [button for button in page.button if button.key == "model_use"]


@pytest.mark.slow
def test_settings_are_checked_as_they_are_written(show: Show) -> None:
    page = name(show(), "Qwen/Qwen2.5-VL-7B-Instruct")
    page.text_area(key="model_config").set_value('{"max_model_len": ').run()
    assert "not JSON" in page.error[0].value and page.button(key="model_use").disabled
    page.text_area(key="model_config").set_value('{"max_model_len": 4096}').run()
    assert not page.error and not page.button(key="model_use").disabled


@pytest.mark.slow
def test_only_the_operator_lets_code_of_a_model_run(show: Show) -> None:
    page = name(show(), "openbmb/MiniCPM-V-2_6")
    assert "trust_remote_code" not in page.text_area(key="model_config").value
    assert '"trust_remote_code": true' in "".join(block.value for block in page.code)
    page.text_area(key="model_config").set_value('{"trust_remote_code": true}').run()
    (error,) = [one.value for one in page.error]
    assert "trust" in error and ".env" in error and page.button(key="model_use").disabled


@pytest.mark.slow
def test_settings_that_take_too_much_say_how_much(show: Show) -> None:
    page = name(show(), "Qwen/Qwen2.5-VL-7B-Instruct")
    page.text_area(key="model_config").set_value('{"max_model_len": 128000, "dtype": "float32"}').run()
    found = [warning.value for warning in page.warning]
    assert any("at most" in text and "GiB of memory with these settings" in text for text in found)


@pytest.fixture
def served(services: Services, tiny_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model's folder, and real engine processes around a small server in place of vLLM's."""
    folder = tmp_path / "other"
    shutil.copytree(tiny_text, folder)

    def launch(model: str, arguments: object, **_: object) -> Launcher:
        return fake_launcher({}, model=model, fetch=lambda on_progress, cancel: Path(model))

    monkeypatch.setattr("framelens.engine.local.local_engine_builder.vllm_launcher", launch)
    yield folder
    services.switcher.close()


def over(services: Services) -> str:
    tasks_of(services).preflight.wait()
    services.switcher.switch.wait()
    return services.switcher.switch.state


@pytest.mark.slow
def test_page_switches_model_and_keeps_it(show: Show, served: Path, services: Services) -> None:
    page = name(show(place=HardwareProfile("here", None, memory_gib=16)), str(served))
    page.button(key="model_use").click().run()
    assert not page.exception
    assert over(services) == "done"
    page.run()
    assert "**other**" in [one.value for one in page.markdown]
    kept = json.loads((services.settings.data_dir / "model.json").read_text())
    assert kept["VLLM_MODEL_PATH"] == str(served)


@pytest.mark.slow
def test_failing_choice_has_a_fix_button(show: Show, served: Path, services: Services) -> None:
    page = name(show(place=HardwareProfile("here", None, memory_gib=16)), str(served))
    page.text_area(key="model_config").set_value('{"dtype": "int8", "max_model_len": 64}').run()
    page.button(key="model_check").click().run()
    tasks_of(services).preflight.wait()
    page.run().button(key="model_fix_0").click().run()
    assert not page.exception
    fixed = json.loads(page.text_area(key="model_config").value)
    assert fixed["dtype"] != "int8" and fixed["max_model_len"] == 64
    assert services.switcher.switch.state == "idle"


@pytest.mark.slow
def test_switch_pauses_running_analyses_if_wanted(
    show: Show, served: Path, open_services: Open, hold: threading.Event
) -> None:
    services = open_services(script(hold=hold))
    path = services.videos.path(services.videos.sample())
    job = services.jobs.submit(AnalysisRequest(path), name="video.mp4")
    while not services.jobs.running():
        time.sleep(0.01)
    page = name(show(place=HardwareProfile("here", None, memory_gib=16), changed=services), str(served))
    page.button_group(key="model_pausing").set_value(True).run()
    page.button(key="model_use").click().run()
    assert not page.exception
    assert over(services) == "done"
    assert ended(services, job).state == "paused"


class Refusing(ScriptedEngine):
    """An engine that does not come up."""

    def ensure_ready(self, on_progress: object, cancel: threading.Event) -> Endpoint:
        raise EngineError("cuda_out_of_memory", model="big")


def test_a_change_that_failed_says_why_and_which_model_is_back(show: Show, services: Services) -> None:
    engine = Refusing(EngineStatus("stopped", "vllm", "/models/Big"))
    services.switcher.begin(replace(services.switcher.session, engine=engine))
    assert over(services) == "failed"
    written = texts(show())
    assert error_text(EngineError("cuda_out_of_memory", model="big"), "en") in written
    assert t("models.change.back", "en", after="Big") in written


@pytest.mark.slow
def test_a_choice_that_cannot_be_saved_is_told_beside_it(
    show: Show, served: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("framelens.config.keep_choice", full)
    page = name(show(place=HardwareProfile("here", None, memory_gib=16)), str(served))
    page.button(key="model_use").click().run()
    assert over(services) == "done"
    page.run()
    assert "No space left on device" in texts(page)


class Broken(ScriptedEngine):
    """An engine with a bug."""

    def ensure_ready(self, on_progress: object, cancel: threading.Event) -> Endpoint:
        raise ZeroDivisionError


@pytest.mark.slow
def test_a_bug_in_the_start_of_an_engine_is_shown(
    show: Show, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    changed = with_bench(services, engine=Broken())
    page = show(changed=changed)
    page.button(key="model_start").click().run()
    changed.switcher.engine_start.wait()
    page.run()
    assert "ZeroDivisionError" in texts(page) and not page.exception
    assert "the task 'engine-start' failed" in caplog.text


@pytest.mark.slow
def test_two_sessions_start_and_stop_one_engine(show: Show, services: Services) -> None:
    started, stopped, hold = [], [], threading.Event()

    class Slow(ScriptedEngine):
        def ensure_ready(self, on_progress: object, cancel: threading.Event) -> Endpoint:
            started.append(self)
            cancel.wait()
            raise Cancelled

        def stop(self) -> None:
            stopped.append(self)
            hold.wait()

    changed = with_bench(services, engine=Slow())
    for page in (show(changed=changed), show(changed=changed)):
        page.button(key="model_start").click().run()
    changed.switcher.stop_engine()
    changed.switcher.stop_engine()
    hold.set()
    changed.switcher.close()
    assert len(started) == 1 and changed.switcher.engine_start.state == "cancelled"
    assert len(stopped) == 2  # once for the two requests, and once at the end


@pytest.mark.slow
def test_a_download_can_be_paused_continued_with_and_abandoned(show: Show, services: Services) -> None:
    def fetch(model: str, on_progress: Callable[[EngineProgress], None], cancel: threading.Event) -> Path:
        figures = {"bytes_done": 1, "bytes_total": 2, "files_done": 0, "files_total": 3}
        words = {"done": "1 B", "total": "2 B", "pace": ""}
        on_progress(EngineProgress("downloading", {"model": model, **figures, **words}))
        cancel.wait()
        raise ModelNotFound("model_not_on_hub", model=model, endpoint="http://hub")

    download = services.model_switch.download
    download.start(partial(fetch, "org/model"), subject="org/model")
    while not download.progress:
        time.sleep(0.01)
    page = show()
    assert [bar.proto.value for bar in page.get("progress")] == [50]
    page.button(key="model_download_pause").click().run()
    assert t("models.change.paused", "en", model="org/model") in texts(page)
    page.button(key="model_download_continue").click().run()
    page.button(key="model_download_cancel").click().run()
    assert not page.exception and download.state == "idle"
    assert not [one for one in page.button if one.key == "model_download_cancel"]
    download.close()


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sum_is_reported_term_by_term_against_a_card(show: Show, language: Language) -> None:
    page = show(language=language)
    page.selectbox(key="sum_model").set_value("Qwen/Qwen2.5-VL-7B-Instruct").run()
    page.selectbox(key="sum_card").set_value(16).run()
    assert not page.exception
    bars = [shown for shown in parts_shown(page) if "there" in shown]
    assert next(part["label"] for part in bars[-1]["parts"]) == t("models.term.text_weights", language)
    assert sum(part["amount"] for part in bars[-1]["parts"]) > bars[-1]["there"]


@pytest.mark.slow
def test_heads_that_cannot_be_divided_among_the_cards_are_told(show: Show) -> None:
    page = show()
    page.selectbox(key="sum_model").set_value("Qwen/Qwen2.5-VL-7B-Instruct").run()
    page.selectbox(key="sum_tp").set_value(8).run()
    assert t("models.page.calculation_tp_bad", "en", heads=28, n=8) in texts(page)


def test_settings_of_answers_are_kept_for_all_questions(show: Show, services: Services) -> None:
    page = show()
    page.number_input(key="answers_temperature").set_value(0.1).run()
    assert Answers.usual_settings(services.settings.data_dir).temperature == 0.1
    page.button(key="answers_defaults").click().run()
    assert not page.exception and page.number_input(key="answers_temperature").value == AskSettings().temperature
    assert Answers.usual_settings(services.settings.data_dir) == AskSettings()
