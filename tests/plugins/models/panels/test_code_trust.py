"""Code of a model on the Models page: its files are listed, and only their typed hash lets it run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from framelens.core.domain import Language
from framelens.i18n import LANGUAGES, t
from framelens.plugins.models.trust.code_trust import find_code, trusted_code
from framelens.services.container import Services
from framelens.services.engines.hardware_profile import HardwareProfile
from tests.app.views.test_analyse import texts
from tests.plugins.models.test_page import Show, name, show
from tests.remote_checkpoint import make_checkpoint, write_code

__all__ = ["show"]
CPU = HardwareProfile("here", None, memory_gib=16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_checkpoint(tmp_path / "coded")
    return tmp_path / "coded"


def type_hash(page: AppTest, typed: str) -> None:
    page.text_input(key="model_code_hash").set_value(typed).run()
    page.button(key="model_code_allow").click().run()
    assert not page.exception


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_files_are_listed_with_size_hash_and_revision(show: Show, folder: Path, language: Language) -> None:
    page = name(show(place=CPU, language=language), str(folder))
    table = page.dataframe[-1].value
    assert list(table.iloc[:, 0]) == ["configuration_tiny.py", "marker.py"]
    assert table.iloc[1, -1] == find_code(folder.parent, str(folder)).code.hashes["marker.py"]
    assert table.iloc[1, 1].endswith("B")
    assert t("models.code_no_revision", language) in texts(page)


@pytest.mark.slow
def test_no_single_click_lets_code_run(show: Show, folder: Path, services: Services) -> None:
    page = name(show(place=CPU), str(folder))
    page.button(key="model_check").click().run()
    assert not [one for one in page.button if str(one.key).startswith("model_fix")]
    page.button(key="model_code_allow").click().run()
    type_hash(page, "trust")
    assert any("isn't the hash" in error.value for error in page.error)
    assert trusted_code(services.settings.data_dir).all() == {}


@pytest.mark.slow
def test_typed_hash_allows_what_was_shown(show: Show, folder: Path, services: Services) -> None:
    data = services.settings.data_dir
    page, shown = name(show(place=CPU), str(folder)), find_code(data, str(folder)).code.digest
    page.text_input(key="model_code_hash").set_value(shown[:8]).run()
    page.button(key="model_code_allow").click().run()
    assert not page.exception and trusted_code(data).all()[str(folder)].digest == shown
    assert json.loads(page.text_area(key="model_config").value)["trust_remote_code"] is True
    assert [one.action for one in services.jobs.audit.entries(limit=1)] == ["code_trusted"]
    write_code(folder, folder.with_name("x"), "other")
    page.run()
    assert any("configuration" in warning.value for warning in page.warning)
    write_code(folder, folder.with_name("coded-marker"))
    page.run()
    page.button(key="model_code_withdraw").click().run()
    assert trusted_code(data).all() == {}


@pytest.mark.slow
def test_model_without_code_shows_none(show: Show, tiny_text: Path) -> None:
    page = name(show(place=CPU), str(tiny_text))
    assert not page.text_input(key="model_name").disabled
    assert "model_code_allow" not in [one.key for one in page.button]
