"""The words of an estimate."""

from __future__ import annotations

import pytest

from framelens.core.domain import Language
from framelens.i18n import LANGUAGES, t
from framelens.models.catalogue import built_in
from framelens.models.memory import estimate_memory
from framelens.models.serving_plan import Plan


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
        for term in estimate_memory(built_in().by_id[id_].shape, plan).terms:
            assert t(f"models.formula.{term.formula}", language, **term.values)
            assert t(f"models.term.{term.key}", language)
