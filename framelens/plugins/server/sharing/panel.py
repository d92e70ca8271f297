"""Sharing of a report by a link that expires: made, listed and revoked in the menu of the report's files."""

from urllib.parse import urlsplit

import streamlit as st

from app import resources
from app.components.controls import button, choose
from app.context import services
from app.formatting import local_time
from app.state import page_state
from framelens.core.domain import Analysis
from framelens.i18n import language, t
from framelens.jobs.snapshot import JobSnapshot
from framelens.plugins.server.sharing.shares import LIFETIMES, SharedReport, revoke_share, share, shares_of
from framelens.store.shares import ShareRow

_NEW_KEY = "shared_report"
_LIFETIME_KEY = "share_lifetime"
_USUAL = "week"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def draw(job: JobSnapshot, analysis: Analysis) -> None:
    """Draw the links to a report, and the button that makes a link, which shows the conversations of the analysis.

    Nothing is drawn where no other machine reaches the server.
    """
    if not resources.installed().is_public:
        return
    st.caption(t("share.head"))
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        lifetimes = {name: t(f"share.lifetime_{name}") for name in LIFETIMES}
        choose(t("share.lifetime"), lifetimes, _LIFETIME_KEY, index=list(LIFETIMES).index(_USUAL), width=160)
        button(t("share.make"), "share_make", _make, job.id, bool(analysis.conversations), icon="link")
    rows = shares_of(services().store, job.id)
    new: SharedReport | None = st.session_state.get(_NEW_KEY)
    if new and any(row.id == new.row.id for row in rows):
        _draw_new(new)
    for row in rows:
        _draw_row(row)


def _draw_new(new: SharedReport) -> None:
    """Draw the address of a link that was just made; it isn't shown again."""
    page = urlsplit(str(st.context.url or ""))
    st.code(f"{page.scheme}://{page.netloc}{resources.installed().base_path}/api/shared/{new.token}", language=None)
    st.caption(t("share.once"))
    if page.hostname in _LOOPBACK:
        st.caption(t("share.loopback", host=page.hostname))


def _draw_row(row: ShareRow) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(t("share.until", created=local_time(row.created), expires=local_time(row.expires)), width="content")
        button(t("share.revoke"), f"share_revoke_{row.id}", _revoke, row, icon="link_off", kind="tertiary")


def _make(job_id: str, conversations: bool) -> None:
    lifetime = LIFETIMES[st.session_state[_LIFETIME_KEY]]
    with page_state().catching_errors():
        st.session_state[_NEW_KEY] = share(
            services().store, services().jobs, job_id, lifetime, language(), conversations=conversations
        )


def _revoke(row: ShareRow) -> None:
    with page_state().catching_errors():
        revoke_share(services().store, services().jobs, row)
