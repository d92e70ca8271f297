import ast
import re
import threading
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from framelens import i18n
from framelens.core.background_task import in_thread
from framelens.core.domain import Language, Notice
from framelens.core.errors import AppError, ConfigError
from framelens.i18n import LANGUAGES, catalogue, error_text, in_language, language, notice_text, plugin_catalogue, t
from framelens.i18n.formatting import span
from framelens.store.fs_utils import log_to

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "framelens"
CHINESE = [ROOT / "README.zh.md", *(ROOT / "docs").glob("**/*.zh.md")]


def all_texts(code: Language) -> dict[str, str]:
    return catalogue(code) | plugin_catalogue(code)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_and_the_same_places() -> None:
    zh, en = all_texts("zh"), all_texts("en")
    assert zh.keys() == en.keys()
    assert [key for key in zh if places(zh[key]) != places(en[key])] == []


def test_no_text_is_empty_and_chinese_is_chinese() -> None:
    assert [key for key, text in all_texts("zh").items() if not text.strip()] == []
    sentences = {key: text for key, text in all_texts("zh").items() if key.startswith("error.")}
    assert [key for key, text in sentences.items() if not re.search(r"[\u4e00-\u9fff]", text)] == []


@cache
def raised_keys() -> set[tuple[str, str]]:
    """Every literal key given to an error, a Notice or a CheckFinding anywhere in the app."""
    found = set()
    for path in [*LIBRARY.rglob("*.py"), *(ROOT / "app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            first = node.args[0]
            if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
                continue
            name = node.func.id
            if name == "Notice":
                found.add((str(path), f"{_table_of(node, 3, 'notice')}.{first.value}"))
            elif name == "CheckFinding":
                found.add((str(path), f"{_table_of(node, 4, 'error')}.{first.value}"))
            elif name == "doctor_finding":
                found.add((str(path), f"notice.doctor_{first.value}"))
            elif name == "AppError" or name in _error_classes():
                found.add((str(path), f"error.{first.value}"))
    return found


def _table_of(call: ast.Call, place: int, default: str) -> str:
    """The table that a call names as an argument in this place or by keyword, else the default."""
    named = [one.value for one in call.keywords if one.arg == "table"] + call.args[place : place + 1]
    return next((str(one.value) for one in named if isinstance(one, ast.Constant)), default)


@cache
def _error_classes() -> set[str]:
    tree = ast.parse((LIBRARY / "core" / "errors.py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_error_and_notice_that_is_raised_has_its_words(language: str) -> None:
    texts = all_texts(language)  # type: ignore[arg-type]
    assert [(path, key) for path, key in raised_keys() if key not in texts] == []


_SHARED = ("core", "store", "video", "llm", "analysis", "conversations", "jobs", "library", "services", "api", "python")
_OF_OPERATORS = {
    *("accounts_needed", "accounts_without_plugin", "api_key_without_user", "backup_no_room"),
    *("link_without_plugin", "mcp_outside_root", "route_host"),
}
"""Errors that say what an administrator types on the server."""


@pytest.mark.slow
@pytest.mark.parametrize(("language", "prefix"), [("en", "n the command line"), ("zh", "命令行")])
def test_shared_errors_name_options_for_the_terminal_only(language: str, prefix: str) -> None:
    texts = all_texts(language)  # type: ignore[arg-type]
    folders = [str(LIBRARY / one) for one in _SHARED] + [str(LIBRARY / "plugins/server/v1")]
    found = {key.removeprefix("error.") for path, key in raised_keys() if path.startswith(tuple(folders))}
    options = {key for key in found if re.search(r"(?<![\w-])--[a-z]", texts.get(f"error.{key}", ""))}
    assert {key for key in options - _OF_OPERATORS if prefix not in texts[f"error.{key}"]} == set()


@pytest.mark.every_plugin
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("key", ["api_rate", "api_jobs"])
def test_limits_of_keys_name_no_options_to_programs(key: str, language: str) -> None:
    assert "--" not in all_texts(language)[f"error.{key}"]  # type: ignore[arg-type]


def test_a_notice_inside_a_notice_is_put_into_words() -> None:
    notice = Notice("text_mode", {"reason": Notice("pictures_dropped", {"tokens": 10})})
    assert "10" in notice_text(notice, "en")
    assert notice_text(notice, "zh").startswith("⚠️ Messages 格式不支持，使用文本模式")


def test_notice_of_earlier_version_is_readable() -> None:
    kept = Notice("engine_failed", {"model": "m", "cause": "upside down"}, "error", "error")
    assert "upside down" in notice_text(kept, "en") and "upside down" in notice_text(kept, "zh")
    assert "in the log …." in error_text(AppError("plugin_failed", name="mine", reason="ValueError"), "en")


def test_reasons_of_the_system_are_translated(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AppError) as caught:
        log_to(tmp_path / "file" / "data")
    assert "无法写入：不是文件夹。" in error_text(caught.value, "zh")
    assert "isn't writable: Not a directory." in error_text(caught.value, "en")


@pytest.mark.parametrize("reason", ["Name or service not known", "[Errno -2] Name or service not known"])
def test_reasons_of_name_servers_are_translated(reason: str) -> None:
    error = AppError("engine_unreachable", base_url="http://a", reason=reason)
    assert "没有这个主机名" in error_text(error, "zh") and reason[-4:] in error_text(error, "en")


@pytest.mark.parametrize("language, end", [("en", " broke. Check"), ("zh", " broke。请")])
def test_reasons_have_one_full_stop(language: Language, end: str) -> None:
    error = AppError("engine_unreachable", base_url="http://a", reason="it broke.")
    assert end in error_text(error, language)


def test_values_locales_and_lengths_are_written() -> None:
    # Values with braces are left as they are.
    assert "{x}" in error_text(AppError("engine_refused", status=400, reason="{x}"), "en")
    # Locales are understood.
    assert [i18n.language_of(tag) for tag in ("zh-CN", "zh_TW.UTF-8", "en-US", "C", "", None)] == ["zh", "zh"] + [
        "en"
    ] * 4


@pytest.mark.parametrize(("n", "words"), [(1, "1 finding"), ("1", "1 finding"), (0, "0 findings"), (12, "12 findings")])
def test_english_counts_have_singular_and_plural(n: int | str, words: str) -> None:
    assert t("ui.part_findings", "en", n=n) == words
    assert t("ui.part_findings", "zh", n=n) == f"{n} 条发现"


def test_no_english_text_has_a_plural_in_brackets() -> None:
    texts = {key: text for key, text in all_texts("en").items() if "http" not in text}
    assert [key for key, text in texts.items() if re.search(r"\w\(s\)(?!\w)", text)] == []


def test_punctuation_follows_the_language() -> None:
    with in_language("en"):
        assert i18n.sentences(["One.", "", "Two."]) == "One. Two."
        assert i18n.labelled("Mode", "text") == "Mode: text"
    with in_language("zh"):
        assert i18n.sentences(["一。", "", "二。"]) == "一。二。"
        assert i18n.labelled("方式", "文字") == "方式：文字"


def test_chinese_has_its_own_quotation_marks() -> None:
    assert [key for key, text in all_texts("zh").items() if re.search(r"!r\}|\)r", text)] == []
    error = ConfigError("setting_choice", key="FRAMELENS_ENGINE", value="no\u202ene", allowed="vllm")
    assert error_text(error, "zh") == "FRAMELENS_ENGINE 是“no\\u202ene”，只能是其中之一：vllm。"
    assert error_text(error, "en").startswith("FRAMELENS_ENGINE is 'no\\u202ene'; ")


def test_chinese_punctuation_has_no_space_or_ascii_colon() -> None:
    texts = {key: text.replace("行:列", "") for key, text in all_texts("zh").items()}
    assert [key for key, text in texts.items() if re.search(r"[。，；！？] (?=\S)", text)] == []
    assert [key for key, text in texts.items() if re.search(r"[\u4e00-\u9fff]: ?(?=[\u4e00-\u9fff{])", text)] == []


@pytest.mark.parametrize(
    "word", ["账户", "帐号", "散列", "校验值", "视频库", "报告库", "资料库", "控制面板", "模型站点", "检索"]
)
def test_chinese_has_one_term_for_each_thing(word: str) -> None:
    texts = {**all_texts("zh"), **{path.name: path.read_text(encoding="utf-8") for path in CHINESE}}
    assert [name for name, text in texts.items() if word in text] == []


def test_only_models_are_addressed_informally() -> None:
    """Prompts speak to a model with 你; everything else speaks to a reader, with 您."""
    texts = {**all_texts("zh"), **{path.name: path.read_text(encoding="utf-8") for path in CHINESE}}
    prompts = ("prompt.", "ask.prompt.", "vision_check.", "messages.zh.md")  # the guide quotes a prompt
    assert [name for name, text in texts.items() if "你" in text and not name.startswith(prompts)] == []


@pytest.mark.parametrize(
    ("seconds", "words"), [(4, "4 s"), (42, "40 s"), (89, "1½ min"), (118, "2 min"), (400, "7 min"), (6000, "1.7 h")]
)
def test_durations_are_rounded_as_people_say_them(seconds: float, words: str) -> None:
    with in_language("en"):
        assert span(seconds, seconds) == words


def test_language_is_that_of_the_innermost_block() -> None:
    with in_language("zh"):
        with pytest.raises(ValueError, match="x"), in_language("en"):
            assert (language(), t("ui.cancel")) == ("en", t("ui.cancel", "en"))
            raise ValueError("x")
        assert (language(), t("ui.cancel")) == ("zh", t("ui.cancel", "zh"))
        i18n.set_language("en")
        assert language() == "en"
    with in_language("zh"):
        assert language() == "zh"


def test_threads_have_their_own_language() -> None:
    meet = threading.Barrier(3)

    def spoken() -> str:
        meet.wait(10)
        return t("ui.cancel")

    waiting = []
    for one in LANGUAGES:
        with in_language(one):
            waiting.append(in_thread(one, spoken))
    meet.wait(10)
    assert [job.result(10) for job in waiting] == [t("ui.cancel", language) for language in LANGUAGES]


def test_outside_of_blocks_the_page_answers() -> None:
    i18n.set_page_language(lambda: "zh")
    assert language() == "zh"
    with in_language("en"):
        assert language() == "en"


@pytest.mark.slow
def test_no_generator_yields_in_a_language_block() -> None:
    """Its consumer would get the language, too. A context manager is a generator that is meant to."""
    found = []
    for path in [*LIBRARY.rglob("*.py"), *(ROOT / "app").rglob("*.py")]:
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef) or function.decorator_list:
                continue
            for block in ast.walk(function):
                if isinstance(block, ast.With) and "in_language(" in ast.unparse(block.items[0]):
                    found += [path.name for one in ast.walk(block) if isinstance(one, (ast.Yield, ast.YieldFrom))]
    assert found == []
