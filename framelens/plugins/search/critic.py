"""Critic: the model in use looks at the best moments that were found, and says which show what is looked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from framelens import ConfigError, Moment, MomentHits
from framelens.plugin import Services, t
from framelens.plugin.processes import BackgroundTasks
from framelens.plugin.storage import MOST_CHECKED


class MomentChecks(BackgroundTasks[tuple[int, int], MomentHits]):
    """Checks in the background, by user and words; progress is the number of moments that are done, and of all."""


def checks_of(services: Services) -> MomentChecks:
    """Return the checks that run in the background."""
    return services.part("moment_checks", lambda _: MomentChecks("moment-check"))


def checked(
    services: Services,
    hits: MomentHits,
    thing: str,
    cancel: threading.Event,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> MomentHits:
    """Return the hits with what the model says of the best: first what it confirms, last what it rejects.

    Args:
        services: The services.
        hits: What was found.
        thing: What is looked for.
        cancel: Ends the requests within 0.1 s of being set.
        on_progress: Called with the number of moments that are done, and of all.

    Raises:
        ConfigError: No words say what is looked for.
        AppError: The engine doesn't start, takes no pictures, or a request fails.
        Cancelled: `cancel` was set.
    """
    if not thing.strip():
        raise ConfigError("check_without_words")
    best, others = hits.moments[:MOST_CHECKED], hits.moments[MOST_CHECKED:]
    for done, total, moments in services.asking.check(thing, best, cancel=cancel):
        hits = replace(hits, moments=in_order((*moments, *others)))
        on_progress(done, total)
    return hits


def in_order(moments: Iterable[Moment]) -> tuple[Moment, ...]:
    """Return first what the model confirms, last what it rejects."""
    return tuple(sorted(moments, key=lambda moment: {True: 0, None: 1, False: 2}[moment.is_confirmed]))


def is_judged(hits: MomentHits) -> bool:
    """Return whether the model said yes or no to any moment."""
    return any(moment.is_confirmed is not None for moment in hits.moments)


def verdict_of(moment: Moment) -> str:
    """Return what the model says of a moment, "" if it wasn't asked."""
    if moment.is_confirmed is None:
        return ""
    said = t("search.verdict.yes" if moment.is_confirmed else "search.verdict.no")
    return " · ".join(filter(None, (said, moment.remark)))
