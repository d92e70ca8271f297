"""Plugin that shows how busy the machine, its cards, the engine and the queue are."""

from framelens.plugin import Page, hook


@hook
def pages() -> dict[str, Page]:
    """Return the page."""
    return {"system": Page(":material/monitoring:", f"{__name__}.page:draw", "administrator")}
