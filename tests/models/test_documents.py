"""The tables of the documents are those of the data."""

from __future__ import annotations

import pytest

from app.domain import Language
from scripts.write_model_docs import DOCUMENTS, written


@pytest.mark.parametrize("language", DOCUMENTS)
def test_the_tables_of_models_and_formats_are_those_of_the_catalogue(language: Language) -> None:
    text = DOCUMENTS[language].read_text(encoding="utf-8")
    assert text.count("<!-- / -->") == 3
    assert written(text, language) == text, "run: python scripts/write_model_docs.py"
