"""Work in the sidebar: what runs and waits, the newest batches, and what was done."""

from app.ui.panels.analyse import batch
from app.ui.panels.work import jobs


def draw() -> None:
    """Draw the list."""
    jobs.draw_queue()
    batch.draw_recent()
    jobs.draw_recent()
