"""What `framelens doctor` says of links: which addresses were allowed, and how old yt-dlp is, if it is installed."""

from collections.abc import Iterator

from framelens.plugin import Settings
from framelens.plugin.machine import CheckFinding
from framelens.plugins.sources import ytdlp
from framelens.plugins.sources.allowed import allowed_addresses


def checks(settings: Settings) -> Iterator[CheckFinding]:
    """Yield the allowed addresses, and the finding about yt-dlp: an old or missing one limits links to files."""
    if allowed := allowed_addresses(settings.data_dir):
        yield CheckFinding("doctor_links_allowed", {"addresses": ", ".join(allowed)}, "tells", table="notice")
    version = ytdlp.version()
    if not version:
        yield CheckFinding("doctor_links_missing", {"command": ytdlp.INSTALL}, "tells", table="notice")
        return
    days = ytdlp.age_days(version)
    about = {"version": version, "days": "?" if days is None else days}
    if ytdlp.is_old(version):
        yield CheckFinding("doctor_links_old", about, "hinders", table="notice")
    else:
        yield CheckFinding("doctor_links", about, "tells", table="notice")
