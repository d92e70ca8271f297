"""The text box for links on the Analyse page: fetched, stopped, refused, and not for everybody."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import resources
from framelens.composition import Services
from framelens.core import roles
from framelens.core.links import SourceSettings
from framelens.core.roles import Role, User
from framelens.plugins.sources import allowed
from framelens.plugins.sources.checks import checks
from tests.app.fake_services import with_bench
from tests.video_server import Served, serving

Allow = Callable[..., Services]


@pytest.fixture
def served(card_video: Path) -> Iterator[Served]:
    with serving(card_video.read_bytes()) as server:
        yield server


@pytest.fixture
def allow(services: Services) -> Allow:
    """Open the page with these settings of links."""

    def install(**settings: Any) -> Services:
        sources = SourceSettings(**{"private_networks": ("127.0.0.0/8",), **settings})
        opened = replace(with_bench(services, settings=replace(services.settings, sources=sources)), _parts={})
        resources.install(resources.Installed(services=opened, key="key"))
        return opened

    return install


def paste(page: AppTest, link: str) -> None:
    page.run()
    page.text_input("link").set_value(link).run()


def after(page: AppTest, opened: Services) -> AppTest:
    """The page after the fetch is over."""
    fetches = opened._parts["links"]
    for task in fetches._tasks.running():  # type: ignore[attr-defined]
        task.wait(60)
    return page.run()


@pytest.mark.slow
def test_a_pasted_link_becomes_the_video(page: AppTest, allow: Allow, served: Served) -> None:
    opened = allow()
    paste(page, f"{served.url}/good/cards.mp4")
    after(page, opened)
    video_id = str(page.query_params["video"])
    assert opened.videos.path(video_id).read_bytes() == served.data
    assert opened.videos.name(video_id) == "cards.mp4"
    assert not page.exception


@pytest.mark.slow
def test_a_fetch_is_stopped_on_the_page(page: AppTest, allow: Allow, served: Served) -> None:
    opened = allow()
    served.going.clear()
    paste(page, f"{served.url}/slow/cards.mp4")
    page.run().button("link_cancel").click().run()
    after(page, opened)
    assert "video" not in page.query_params and not page.error and not page.exception


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("rtsp://a:secret@10.0.0.1/live", "Record those to a file first"),
        ("door.mp4", "is not an address that can be used"),
        ("http://169.254.1.1/a.mp4", "not public"),
    ],
)
def test_a_refused_link_has_its_sentence(page: AppTest, allow: Allow, link: str, said: str) -> None:
    opened = allow()
    paste(page, link)
    if "links" in opened._parts:
        after(page, opened)
    assert len(page.error) == 1 and said in page.error[0].value and not page.exception
    page.text_input("link").set_value("nothing").run()
    assert len(page.error) == 1 and "nothing" in page.error[0].value


def test_the_owner_allows_an_address_with_a_button(page: AppTest, allow: Allow, served: Served) -> None:
    opened = allow(private_networks=())
    link = f"{served.url}/good/cards.mp4"
    paste(page, link)
    after(page, opened)
    assert not page.error and page.text_input("link").value == link
    page.button("link_allow").click().run()
    after(page, opened)
    assert opened.videos.name(str(page.query_params["video"])) == "cards.mp4"


@pytest.mark.parametrize("is_shared", [True, False])
def test_no_address_is_allowed_from_elsewhere(page: AppTest, allow: Allow, is_shared: bool) -> None:
    opened = allow(private_networks=())
    resources.install(replace(resources._installed, is_public=is_shared))
    paste(page, "http://10.0.0.1/a.mp4" if is_shared else "http://169.254.169.254/a.mp4")
    after(page, opened)
    assert len(page.error) == 1 and "link_allow" not in {one.key for one in page.button}


def test_failed_link_stays_and_is_tried_again(page: AppTest, allow: Allow, served: Served) -> None:
    opened = allow()
    page.run()
    page.session_state["framelens"].refused = ("broken.mp4 is not a video.",)  # of an earlier upload
    paste(page, f"{served.url}/gone/cards.mp4")
    after(page, opened)
    assert page.text_input("link").value == f"{served.url}/gone/cards.mp4"
    assert len(page.error) == 1 and not page.warning
    asked = len(served.asked)
    page.button("link_again").click().run()
    after(page, opened)
    assert len(served.asked) > asked


@pytest.fixture
def log_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Role], None]:
    """Let the page have a user of this role."""
    return lambda role: monkeypatch.setattr(roles, "_page_user", lambda: User("1", "ann", role))


def test_others_than_the_operator_need_a_list(
    page: AppTest, allow: Allow, served: Served, log_in: Callable[[Role], None]
) -> None:
    log_in("analyst")
    allow()
    page.run()
    assert not any(one.key == "link" for one in page.text_input)
    allow(urls=(f"{served.url}/films/",))
    paste(page, f"{served.url}/good/cards.mp4")
    assert len(page.error) == 1 and served.asked == []


def test_a_viewer_has_no_box(page: AppTest, allow: Allow, log_in: Callable[[Role], None]) -> None:
    log_in("viewer")
    allow(urls=("https://*/",))
    page.run()
    assert not any(one.key == "link" for one in page.text_input)


def test_doctor_names_the_addresses_that_were_allowed(services: Services) -> None:
    assert "doctor_links_allowed" not in [one.key for one in checks(services.settings)]
    allowed.allow(services.settings.data_dir, "192.168.1.5")
    allowed.allow(services.settings.data_dir, "169.254.169.254")  # a cloud's metadata
    (found,) = [one for one in checks(services.settings) if one.key == "doctor_links_allowed"]
    assert found.values == {"addresses": "192.168.1.5/32"}
