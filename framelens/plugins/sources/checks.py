"""What `framelens doctor` says of links: which addresses were allowed, and how old yt-dlp is, if it is installed."""

from collections.abc import Iterator

from framelens.plugin import Settings
from framelens.plugin.machine import CheckFinding, doctor_finding
from framelens.plugins.sources import ytdlp
from framelens.plugins.sources.allowed import allowed_addresses


def checks(settings: Settings) -> Iterator[CheckFinding]:
    """Yield the allowed addresses, and the finding about yt-dlp: an old or missing one limits links to files."""
    if allowed := allowed_addresses(settings.data_dir):
        yield doctor_finding("links_allowed", "tells", addresses=", ".join(allowed))
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
