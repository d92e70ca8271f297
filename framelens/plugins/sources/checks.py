"""What `framelens doctor` says of links: whether yt-dlp is installed, and how old it is."""

from collections.abc import Iterator

from framelens.config import Settings
from framelens.core.failures.check_findings import CheckFinding
from framelens.plugins.sources import ytdlp
from framelens.services.diagnostics.checks import doctor_finding


def checks(settings: Settings) -> Iterator[CheckFinding]:
    """Yield the finding about yt-dlp; an old or missing yt-dlp limits links to files."""
    version = ytdlp.version()
    if not version:
        yield doctor_finding("links_missing", "tells", command=ytdlp.INSTALL)
        return
    days = ytdlp.age_days(version)
    about = {"version": version, "days": "?" if days is None else days}
    if ytdlp.is_old(version):
        yield doctor_finding("links_old", "hinders", **about)
    else:
        yield doctor_finding("links", "tells", **about)
