"""The words of an estimate and of the checks before a start."""

import re
from pathlib import Path

import pytest

from framelens.core.domain import Language
from framelens.i18n import LANGUAGES, t
from framelens.models.catalogue import built_in
from framelens.models.memory import MemoryEstimate
from framelens.models.serving_plan import Plan
from framelens.plugins.models import preflight
from framelens.plugins.models.preflight.subject import rule_table
from tests.test_i18n import all_texts


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "id_",
    [
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "Qwen/Qwen2.5-VL-7B-Instruct-AWQ",
        "Qwen/Qwen3-8B",
        "deepseek-ai/deepseek-vl2-small",
    ],
)
def test_every_term_says_in_words_what_it_was_made_from(id_: str, language: Language) -> None:
    for plan in (Plan(), Plan(eager=True), Plan(device="cpu")):
        for term in MemoryEstimate.of(built_in().by_id[id_].shape, plan).terms:
            assert t(f"models.formula.{term.formula}", language, **term.values)
            assert t(f"models.term.{term.key}", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_has_its_words(language: Language) -> None:
    texts = all_texts(language)
    sources = [path.read_text(encoding="utf-8") for path in Path(preflight.__file__).parent.glob("*.py")]
    keys = [key for source in sources for key in re.findall(r'\bRule\(\s*"(\w+)"', source)]
    assert len(keys) > 20
    assert [key for key in keys if f"{rule_table(key)}.{key}" not in texts] == []


def test_billions_are_counted_in_chinese_units() -> None:
    assert t("models.parameters_named", "en", billions=3.754) == "3.75B"
    assert t("models.parameters_named", "zh", billions=3.754) == "37.5 亿参数（3.75B）"
    assert t("models.parameters_named", "zh", billions=0.00137) == "137 万参数（1.37M）"
    assert t("models.parameters_named", "zh", billions=1026.4) == "1.03 万亿参数（1.03T）"
    assert t("models.parameters_active", "zh", billions=235.1, active=22.2) == "2350 亿（235B，每个 token 用 22B）"
