"""The tables of the documents agree with the data."""

import pytest

from framelens.core.domain import Language
from scripts.write_model_docs import DOCUMENTS, written


@pytest.mark.parametrize("language", DOCUMENTS)
def test_model_and_format_tables_match_the_catalogue(language: Language) -> None:
    text = DOCUMENTS[language].read_text(encoding="utf-8")
    assert text.count("<!-- / -->") == 3
    assert written(text, language) == text, "run: python scripts/write_model_docs.py"
