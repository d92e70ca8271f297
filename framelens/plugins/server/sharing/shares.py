"""Links that open a report without an account, until they expire or are revoked.

A link has 256 random bits, of which the store has the hash: who reads the database can't open a report with it. A link
opens a single page without scripts, which loads nothing and leads nowhere.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from framelens.core.domain import Language
from framelens.core.errors import InputError
from framelens.core.files import new_id
from framelens.core.roles import as_user, current_user, requires
from framelens.core.wall_clock import latest_time
from framelens.i18n import language_of
from framelens.reports.formats import write_alone
from framelens.store.accounts import AccountStore
from framelens.store.audit import AuditLog
from framelens.store.shares import ShareRow, ShareStore

if TYPE_CHECKING:
    from framelens.jobs.queue import Jobs
    from framelens.services.stored_reports import StoredReports
    from framelens.store.database import Store

LIFETIMES = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
"""How long a link may last."""
_TOKEN_BYTES = 32
_MOST_CHARACTERS = 64  # of a token, whose 32 bytes are 43


@dataclass(frozen=True)
class SharedReport:
    """A link that was made. Its token is shown once and stored nowhere."""

    row: ShareRow
    token: str


@requires("analyst")
def share(
    store: Store, jobs: Jobs, job_id: str, lifetime: timedelta, language: Language, *, conversations: bool
) -> SharedReport:
    """Make a link to a report.

    Args:
        store: The store.
        jobs: The queue, with the reports.
        job_id: The job.
        lifetime: How long the link lasts, one of LIFETIMES.
        language: Language in which the report is shown.
        conversations: Show the conversations about it, too.

    Raises:
        InputError: "job_unknown" or "no_report_yet".
        StorageError: It can't be stored.
    """
    job = jobs.snapshot(job_id)
    if job.analysis is None:
        raise InputError("no_report_yet", id=job_id)
    now, token = datetime.fromtimestamp(latest_time(), UTC), secrets.token_urlsafe(_TOKEN_BYTES)
    row = ShareRow(
        new_id(),
        job_id,
        current_user().id,
        _hash(token),
        language,
        int(conversations),
        now.isoformat(timespec="seconds"),
        (now + lifetime).isoformat(timespec="seconds"),
    )
    shares = ShareStore(store)
    shares.delete_expired(_now())
    with store.together():
        shares.add(row)
        AuditLog(store).record("share", job_id, job.name)
    return SharedReport(row, token)


def shares_of(store: Store, job_id: str) -> list[ShareRow]:
    """List the links to a report, the newest first; empty for a report that the user may not see."""
    return ShareStore(store).of_job(job_id, _now())


@requires("analyst")
def revoke_share(store: Store, jobs: Jobs, row: ShareRow) -> None:
    """Revoke a link: it opens nothing from now on."""
    with store.together():
        if ShareStore(store).delete(row.id):
            AuditLog(store).record("unshare", row.job_id, jobs.brief(row.job_id).name)


def open_shared(store: Store, reports: StoredReports, token: str) -> bytes:
    """Return the report that a link opens, as a single HTML page.

    Raises:
        InputError: "share_unknown": no such link was made, it was revoked, or it has expired.
        StorageError: The report can't be read.
    """
    found = ShareStore(store).get(_hash(token), _now()) if len(token) <= _MOST_CHARACTERS else None
    if found is None:
        ShareStore(store).delete_expired(_now())  # they end for good, also where the clock is set back later
        raise InputError("share_unknown")
    row, owner = found
    with as_user(AccountStore(store).owner(owner)):
        analysis = reports.get(row.job_id, conversations=bool(row.conversations))
    if analysis is None:  # it is asked again
        raise InputError("share_unknown")
    return write_alone(analysis, language_of(row.language))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def _now() -> str:
    return datetime.fromtimestamp(latest_time(), UTC).isoformat(timespec="seconds")
