"""The ways from a report to the Models page, and back to it."""

import pytest
from streamlit.testing.v1 import AppTest

from framelens.composition import Services
from framelens.i18n import t
from tests.app.conftest import Open
from tests.app.fake_services import ended
from tests.app.panels.analyse.test_missing_model import failing
from tests.app.views.test_analyse import started, texts


@pytest.mark.slow
def test_another_model_continues_with_the_same_report(page: AppTest, open_services: Open) -> None:
    services = open_services(failing)
    job = started(page, services)
    ended(services, job)
    page.run()
    page.button(key="choose_model").click().run()
    assert page.query_params["job"] == job
    page.button(key="models_back").click().run()
    assert t("notice.no_model", "en") in texts(page)


@pytest.mark.slow
def test_compare_leads_to_the_models_and_back(page: AppTest, services: Services) -> None:
    job = started(page, services)
    ended(services, job)
    page.run()
    page.button(key="compare").click().run()
    assert "FRAMELENS_BASE_URL" not in texts(page)
    page.button(key="compare_model").click().run()
    page.button(key="models_back").click().run()
    assert page.query_params["job"] == job and page.query_params["with"] == "choose"
    assert page.button(key="compare_model")
