"""Pages of other servers in the same browser: what they get of the app."""

from playwright.sync_api import expect

from tests import loopback
from tests.browser.conftest import App, Visit

_FOREIGN = """<!doctype html><title>waiting</title><iframe src="{url}" id=frame></iframe><script>
const said = [];
const socket = new WebSocket("{socket}", ["streamlit"]);
socket.onopen = () => said.push("open");
socket.onerror = () => said.push("closed");
fetch("{url}_stcore/host-config").then(() => said.push("read"), () => said.push("refused"));
setInterval(() => {{ if (said.length > 1) document.title = said.sort().join(" "); }}, 50);
</script>"""


def test_other_local_server_cannot_call_or_frame_app(app: App, visit: Visit) -> None:
    text = _FOREIGN.format(url=app.url, socket=app.url.replace("http", "ws") + "_stcore/stream").encode()

    class Foreign(loopback.Handler):
        def do_GET(self) -> None:
            self.send_whole(200, text, {"Content-Type": "text/html"})

    with loopback.listening(Foreign) as url:
        visit.page.goto(url)
        expect(visit.page).to_have_title("closed refused")
        assert any("frame-ancestors" in said or "X-Frame-Options" in said for said in visit.complaints)


def test_dns_rebinding_shows_nothing_of_the_app(app: App, visit: Visit) -> None:
    shown = visit.page
    answer = shown.goto(app.url.replace("127.0.0.1", "evil.example"))
    assert answer is not None and answer.status == 403
    assert "evil.example" in shown.inner_text("body")
