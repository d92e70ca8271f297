"""Links to a report: made and revoked on the page, and killed at each statement that makes a link."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app import resources
from framelens.i18n import t
from framelens.plugins.server.sharing.shares import open_shared, share, shares_of
from framelens.store.audit import AuditLog
from tests.app import rich
from tests.app.views.test_analyse import texts
from tests.services.test_whole_or_nothing import Place, each_kill, job_of


@pytest.mark.slow
@pytest.mark.parametrize("is_public", [False, True])
def test_a_report_is_shared_where_others_can_reach_it(page_of: Callable[..., Any], is_public: bool) -> None:
    page, services, job = page_of(rich.script())
    resources.install(resources.Installed(services=services, key="key", is_public=is_public))
    page.run()
    made = [one for one in page.button if one.key == "share_make"]
    assert (t("share.head", "en") in texts(page)) == is_public and len(made) == is_public
    if not is_public:
        return
    made[0].click().run()
    assert not page.exception
    (row,) = shares_of(services.store, job)
    (address,) = [one.value for one in page.code if "/api/shared/" in one.value]
    assert b"data:image/jpeg" in open_shared(services.store, services.reports, address.rsplit("/", 1)[1])
    (revoke,) = [one for one in page.button if one.key == f"share_revoke_{row.id}"]
    revoke.click().run()
    assert shares_of(services.store, job) == [] and not [one for one in page.code if "/api/shared/" in one.value]


@pytest.mark.slow
def test_a_link_is_there_with_its_entry_in_the_log(template: Path, tmp_path: Path) -> None:
    def act(place: Place) -> None:
        share(place.store, place.jobs, job_of(place), timedelta(days=1), "en", conversations=False)

    def check(place: Place) -> None:
        links = shares_of(place.store, job_of(place))
        noted = [one for one in AuditLog(place.store).entries(limit=99) if one.action == "share"]
        assert (len(links), len(noted)) in ((0, 0), (1, 1))

    assert each_kill(template, tmp_path / "data", act, check) > 3
