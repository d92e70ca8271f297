"""Corrections of an earlier report on the same video that fit a new one: the same sentences about the same frames.

Nothing is taken over unless a person says so, and what doesn't fit is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from framelens import InputError
from framelens.plugin import Services, t
from framelens.plugin.analyses import JobSnapshot
from framelens.plugin.corrections import Correction, CorrectionOutcome, Draft, ReportItem, items_of
from framelens.plugin.texts import sentences
from framelens.plugins.corrections.listing import ReportOffer, report_of

_SAME_SECONDS = 0.05
"""Frames of two analyses that are as near are the same picture."""


@dataclass(frozen=True)
class Offer:
    """Corrections of an earlier report.

    Attributes:
        job_id: The earlier report.
        drafts: Those that fit the new report, as drafts for it.
        num_left: Number of those that don't.
    """

    job_id: str
    drafts: tuple[Draft, ...]
    num_left: int


def offered(services: Services, job: JobSnapshot) -> Offer | None:
    """Return what the newest corrected report on the same video offers to a report without corrections."""
    earlier = "" if job.corrections else corrected_before(services, job)
    return offer_of(services, job.id, earlier) if earlier else None


def offers(services: Services, job: JobSnapshot) -> dict[str, str | int] | None:
    """Return the same for commands and programs, if anything fits."""
    offer = offered(services, job)
    if offer is None or not offer.drafts:
        return None
    return {
        "report": offer.job_id,
        "fitting": len(offer.drafts),
        "text": sentence_of(offer),
        "command": f"framelens library correct {job.id} --take-over {offer.job_id}",
    }


def offer_value(services: Services, job_id: str) -> ReportOffer | None:
    """Return the same as a value of the API."""
    offer = offers(services, services.jobs.snapshot(job_id))
    return ReportOffer.model_validate(offer) if offer else None


def sentence_of(offer: Offer) -> str:
    """Return how many corrections fit, and how many don't."""
    left = t("corrections.offer_left", n=offer.num_left) if offer.num_left else ""
    return sentences((t("corrections.offer", n=len(offer.drafts)), left))


def corrected_before(services: Services, job: JobSnapshot) -> str:
    """Return the id of the newest other report on the same video that people corrected, "" without one."""
    sha256 = job.written.sha256 if job.written else ""
    others = [other for other in services.jobs.library.reports_on(sha256=sha256) if other != job.id] if sha256 else []
    query = "SELECT 1 FROM corrections WHERE job_id = ? LIMIT 1"
    return next((other for other in others if services.store.select(query, other)), "")


def offer_of(services: Services, job_id: str, earlier_id: str) -> Offer:
    """Return what of the corrections of an earlier report fits a report.

    Raises:
        InputError: There is no such report, or the reports are on two videos.
    """
    new, old = (report_of(services, name) for name in (job_id, earlier_id))
    if new.sha256 != old.sha256 or not new.sha256:
        raise InputError("correction_other_video", id=job_id, other=earlier_id)
    numbers = {
        frame.number: other.number
        for frame in old.keyframes
        for other in new.keyframes
        if abs(frame.time_seconds - other.time_seconds) < _SAME_SECONDS
    }
    changed, targets = [(item, item.correction) for item in items_of(old) if item.correction], list(items_of(new))
    fitting = [_draft(item, correction, targets, numbers) for item, correction in changed]
    drafts = tuple(draft for draft in fitting if draft)
    return Offer(earlier_id, drafts, len(changed) - len(drafts))


def take_over(services: Services, job_id: str, offer: Offer, author: str) -> CorrectionOutcome:
    """Correct a report as an earlier one was; every text stays that of the person who wrote it.

    Raises:
        InputError: Nothing fits, or the report can't be corrected.
    """
    if not offer.drafts:
        raise InputError("correction_none_fits", other=offer.job_id)
    return services.reports.correct(job_id, offer.drafts, author=author)


def _draft(
    item: ReportItem, correction: Correction, targets: list[ReportItem], numbers: dict[int, int]
) -> Draft | None:
    """Return a correction as a draft for the new report, None if its sentence or a frame isn't there."""
    frames = tuple(numbers.get(number, 0) for number in correction.frames)
    if not all(frames):
        return None
    draft = Draft(
        correction.kind, "", correction.text, frames, correction.time_seconds, correction.model, correction.author
    )
    if item.kind == "note":
        return replace(draft, target="note")
    if item.kind in ("added", "remark"):  # a remark follows the sentence that it was about
        subjects = [target.key for target in targets if correction.was and target.original == correction.was]
        return replace(draft, kind="add", target=subjects[0] if len(subjects) == 1 else "")
    cited = [numbers.get(number, 0) for number in _cited(item, correction)]
    matching = [target for target in targets if _is_same(target, item, cited)]
    return replace(draft, target=matching[0].key) if len(matching) == 1 else None


def _cited(item: ReportItem, correction: Correction) -> tuple[int, ...]:
    """Return the frames by which an item is found again; those of a changed sentence are the person's."""
    return item.frames if item.kind in ("chapter", "picture") or correction.kind == "strike" else ()


def _is_same(target: ReportItem, item: ReportItem, cited: list[int]) -> bool:
    is_alike = target.kind == item.kind and target.original == item.original and target.correction is None
    return is_alike and (not cited or list(target.frames) == cited)
