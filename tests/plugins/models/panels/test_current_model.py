"""The model in use: each of several engines has its state."""

import threading
from urllib.parse import urlsplit

from streamlit.testing.v1 import AppTest

from app import resources
from app.context import LANGUAGE_KEY
from framelens.composition import Services
from framelens.engine.engine_pool import EnginePool
from framelens.engine.remote_engine import RemoteEngine
from framelens.i18n import t
from tests.app.fake_services import with_bench
from tests.app.views.test_analyse import texts
from tests.llm.scripted import saying, serve


def draw() -> None:
    from app.page_tools import TOOLS
    from framelens.plugins.models.panels import current_model

    current_model.draw(TOOLS)


def test_several_engines_are_listed_with_their_states(services: Services) -> None:
    with serve(saying("yes")) as server:
        pool = EnginePool([RemoteEngine(server.base_url), RemoteEngine("http://127.0.0.1:9")])
        pool.ensure_ready(lambda _: None, threading.Event())
        resources.install(resources.Installed(services=with_bench(services, engine=pool), key="key"))
        page = AppTest.from_function(draw, default_timeout=30)
        page.session_state[LANGUAGE_KEY] = "en"
        page.run()
        assert not page.exception
        words = texts(page)
        assert f"{urlsplit(server.base_url).netloc} · {t('ui.engine_ready', 'en')}" in words
        assert f"127.0.0.1:9 · {t('ui.engine_failed', 'en')}" in words
        pool.stop()
