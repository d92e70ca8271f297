"""Updates of an analysis for parts that are tested without an analysis."""

from collections.abc import Callable, Iterator

from framelens.core.analysis_state import AnalysisState, AnalysisUpdate
from framelens.core.events import AnalysisEvent
from framelens.jobs.snapshot import JobSnapshot


def after(job: JobSnapshot, *events: AnalysisEvent) -> JobSnapshot:
    """The job after these events."""
    for event in events:
        job = job.updated(AnalysisUpdate(event, job.progress.apply(event)))
    return job


def shown_by(show: Callable[[AnalysisUpdate], None]) -> Callable[[AnalysisEvent], None]:
    """A function that shows events in sequence, with their states."""
    state = AnalysisState()

    def show_event(event: AnalysisEvent) -> None:
        nonlocal state
        state = state.apply(event)
        show(AnalysisUpdate(event, state))

    return show_event


def events_of(updates: Iterator[AnalysisUpdate]) -> Iterator[AnalysisEvent]:
    """The events alone."""
    return (one.event for one in updates)
