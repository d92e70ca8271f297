"""Rewriting of a report by the model without another look: shorter, longer, in other words, in another language.

The model gets the sentences with their keys and returns them with the same keys, so that every sentence keeps the
frames that it rests on; what it then says is checked like any other correction, and a number that its sentence didn't
have is marked. What people wrote is left alone, except in another language. What the model leaves out or writes in
another language than it was asked for stays unchanged and is counted.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from framelens import Analysis, EngineError, InputError, Language
from framelens.plugin import Services, in_language, language, t
from framelens.plugin.corrections import MOST_CHARACTERS, Draft, ReportItem, items_of
from framelens.plugin.processes import BackgroundTasks
from framelens.plugins.corrections.listing import report_of
from framelens.plugins.corrections.quantities import names_new_number

WAYS = ("shorter", "longer", "zh", "en")
"""Ways that have a name; a template's key and any other words are ways, too."""
_MOST_SENT, _LATIN_SHARE = 450, 0.3
"""Tokens of the sentences in a request, so that twice as many fit into an answer of 1,024; tokens of a character other
than Chinese ones."""
_LINE = re.compile(r"^(?:\d+[.)])?\W*(title|note|[a-z]\d+)\W*[:：]\**\s*(.+)$", re.IGNORECASE)
_BREAK = " ¶ "
"""Sign between the lines of a chapter, which is sent on one line."""
_LONGEST_WAY = 500


@dataclass(frozen=True)
class Rewritten:
    """What became of a report.

    Attributes:
        analysis: The report.
        num_rewritten: Number of its items that the model has rewritten.
        num_left: Number of those that it left out or wrote in another language, which are unchanged.
    """

    analysis: Analysis
    num_rewritten: int
    num_left: int


class Rewrites(BackgroundTasks[tuple[int, int], Rewritten]):
    """Rewriting in the background, by report; progress is the number of finished and of all requests."""


def rewrites_of(services: Services) -> Rewrites:
    """Return the rewriting that runs in the background."""
    return services.part("rewrites", lambda _: Rewrites("rewrite"))


def rewrite(
    services: Services,
    job_id: str,
    way: str,
    author: str,
    cancel: threading.Event,
    on_progress: Callable[[tuple[int, int]], None] = lambda _: None,
) -> Rewritten:
    """Let the model rewrite a report, and append all of it to the log at once.

    Args:
        services: The services.
        job_id: The report.
        way: One of WAYS, the key of a template, or what the text should be like, in words.
        author: Name of the person who asks for it, where there are no accounts.
        cancel: Stops it; nothing is changed then.
        on_progress: Called with the number of finished and of all requests.

    Raises:
        InputError: There is nothing to rewrite, no way is given, or the report can't be corrected.
        AppError: The engine doesn't start, fails, or answers without a single sentence in the right language.
        Cancelled: `cancel` was set.
    """
    analysis = report_of(services, job_id)
    if not way.strip() or len(way) > _LONGEST_WAY:
        raise InputError("rewrite_way_missing", most=_LONGEST_WAY)
    items = [item for item in items_of(analysis) if _is_rewritten(item, way)]
    if not items:
        raise InputError("rewrite_nothing")
    revision = len(analysis.corrections.log) if analysis.corrections else 0
    target: Language = "zh" if way == "zh" or (way != "en" and _is_chinese(item.text for item in items)) else "en"
    with in_language(target):
        system = _instructions(services, way)
    requests, answered, model = list(_batches(items)), dict[str, str](), ""
    for number, lines in enumerate(requests):
        on_progress((number, len(requests)))
        answer, model = services.asking.write(
            "\n".join(lines), system=system, content=analysis.video.content_key, cancel=cancel
        )
        answered |= _read(answer)
    texts = {item: answered[item.key] for item in items if 0 < len(answered.get(item.key, "")) <= MOST_CHARACTERS}
    right = {item: text for item, text in texts.items() if text == item.text or _is_in(target, text)}
    if not right:
        raise EngineError("rewrite_wrong_language" if texts else "rewrite_unusable", model=model)
    context = "\n".join(item.text for item in items) if way not in ("shorter", "zh", "en") else ""
    drafts = [
        Draft("replace", item.key, text, model=model, issues=_issues(text, f"{item.text}\n{context}"))
        for item, text in right.items()
        if text != item.text
    ]
    outcome = services.reports.correct(job_id, drafts, revision=revision, author=author) if drafts else None
    return Rewritten(outcome.analysis if outcome else analysis, len(drafts), len(items) - len(right))


def _is_rewritten(item: ReportItem, way: str) -> bool:
    """Return whether the model may rewrite an item: no conversation, and what people wrote is only translated."""
    if not item.text or item.is_struck or item.question or item.kind == "remark":
        return False
    return way in ("zh", "en") or (item.kind != "note" and (item.correction is None or bool(item.correction.model)))


def _instructions(services: Services, way: str) -> str:
    """Return the system message, in the language of the texts to be written."""
    if way in WAYS:
        wish = t(f"rewrite.prompt_{way}")
    else:
        template = services.templates.by_key.get(way)
        wish = t("rewrite.prompt_template", text=template.join.text or template.ask.text) if template else way
    return "\n".join((t("rewrite.prompt"), t("rewrite.prompt_wish", wish=wish), t(f"rewrite.prompt_in_{language()}")))


def _batches(items: Sequence[ReportItem]) -> Iterator[list[str]]:
    """Yield the lines of each request."""
    lines, tokens = list[str](), 0.0
    for item in items:
        line = f"{item.key}: {_BREAK.join(item.text.splitlines())}"
        needed = sum(1.0 if character >= "\u2e80" else _LATIN_SHARE for character in line)
        if lines and tokens + needed > _MOST_SENT:
            yield lines
            lines, tokens = [], 0.0
        lines.append(line)
        tokens += needed
    yield lines


def _read(answer: str) -> dict[str, str]:
    """Return the texts of an answer by their keys; of two with the same key the first counts."""
    texts: dict[str, str] = {}
    for match in filter(None, map(_LINE.match, answer.splitlines())):
        texts.setdefault(match[1].lower(), match[2].replace(_BREAK.strip(), "\n").strip())
    return texts


def _is_chinese(texts: Iterable[str]) -> bool:
    """Return whether texts are in Chinese; a Chinese character is worth a few letters."""
    characters = "".join(texts)
    return 3 * len(re.findall(r"[\u4e00-\u9fff]", characters)) > len(re.findall(r"[A-Za-z]", characters))


def _is_in(target: Language, text: str) -> bool:
    """Return whether a text may be in a language: names stay in their own, and a name alone is in every language."""
    return _is_chinese([text]) == (target == "zh") or not re.search(r"\b[a-z]{3,}\b|[\u4e00-\u9fff]{5}", text)


def _issues(text: str, source: str) -> tuple[Literal["new_number"], ...]:
    return ("new_number",) if names_new_number(text, source) else ()
