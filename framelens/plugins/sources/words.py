"""Words about a fetch, for the command line and the page."""

from framelens.plugin import t
from framelens.plugin.links import FetchProgress
from framelens.plugin.texts import clock, human_size


def progress_words(now: FetchProgress) -> str:
    """Return the received part of a video, its size if known, and its duration if known, in words."""
    what = t("sources.fetching", name=now.name)
    received = human_size(now.received_bytes)
    size = f"{received} / {human_size(now.size_bytes)}" if now.size_bytes else received
    share = f"{100 * now.received_bytes // now.size_bytes} %" if now.size_bytes else ""
    length = t("sources.length", length=clock(now.duration_seconds)) if now.duration_seconds else ""
    return " · ".join(filter(None, (what, size, share, length)))
