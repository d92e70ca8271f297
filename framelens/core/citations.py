"""Citations in answers: findings with the frames they rest on, and checks of the times they claim.

The model cites frame numbers; the app turns them into times. A time of the model's own that is not the time of a
cited frame, a frame that was not sent, or a missing citation is named in `Finding.issues`, never passed on as fact.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from framelens.core.domain import Finding
from framelens.core.units import HAN_NUMERALS, han_number

TEXT_ISSUES = frozenset(("frame_not_sent", "no_frame", "own_time"))
"""Issues that `finding` looks for; others are about fields."""
_OVERVIEW = re.compile(r"^\W{0,4}(?:summary|overall|总结|概述|摘要)\W{0,4}[:：]\**[ \t]*", re.IGNORECASE | re.MULTILINE)
_FRAME = r"(?:frames?|images?)[ \t_-]*(?:(?:\#|№|no\.?|number)[ \t]*)?"
_TO = r"[至到–—~-]|to\b|through\b|until\b|till\b"
_NUMBERS = rf"\d{{1,4}}(?:\s*(?:[,，、;；&和与及]|and|{_TO})\s*(?:(?:frames?|帧)\s*)?\#?\d{{1,4}})*"
# An item starts a line or follows a semicolon. Three ways of numbering an item: "[frame 3 · 00:01.000] …", "Frames 3
# and 4: …" or "第 3 帧：…", and "3: …", "3. …" or "3) …".
_ITEM = re.compile(
    rf"""(?:^|(?<=[;；\n]))[ \t]*(?:[-*•]+[ \t]*){{0,2}}
    (?: [\[［【(（][ \t]*(?:{_FRAME}|第|帧)?[ \t]*(?P<boxed>{_NUMBERS})(?![\d:.])
          [ \t]*帧?[^\n\]］】)）]{{0,24}}[\]］】)）]\**[ \t]*[:：]?
      | (?:{_FRAME}|第|帧)[ \t]*(?P<named>{_NUMBERS})(?!\d)
          [ \t]*帧?(?:[ \t]*[(（\[][^\n)）\]]{{0,24}}[)）\]])?\**[ \t]*[:：.、]
      | (?P<bare>\d{{1,4}})[ \t]*\**[:：.、)](?!\d)
    )\**[ \t]*""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
# "frame 5.9 %", "frame 5,9 %" and "frame 5.jpg" name no frame, but a measure of the previous frame, or a file.
_FILE = r"\.(?:jpe?g|png|webp|gif|bmp|tiff?|mp4|mkv|mov|avi|webm)\b"
_NO_NUMBER = rf"(?![.,，]\d|\s*[%％‰]|\s*(?:ms|fps|px|pixels?|per ?cent)\b|/s\b|{_FILE})"
_NO_COUNT = r"(?!\s*[张幅个秒分次倍])"  # as in "共选取关键帧 8 张"
_CITED = re.compile(
    rf"\b{_FRAME}\s*({_NUMBERS})\b{_NO_NUMBER}"
    rf"|第\s*({_NUMBERS})\s*(?:帧|[张幅](?:图片?|画面|照片))"
    rf"|(?<![\d第{HAN_NUMERALS}])(?<!\d )帧\s*({_NUMBERS})(?!\d){_NO_NUMBER}{_NO_COUNT}"
    rf"|[\[［【]\s*({_NUMBERS})\s*[\]］】]",
    re.IGNORECASE,
)
# "第1帧至第3帧" is "第1至3帧", "[1]–[3]" is "[1–3]".
_SPELT_RANGE = re.compile(rf"\s*(?:帧\s*({_TO})\s*第|[\]］】]\s*({_TO})\s*[\[［【](?:frames?)?)\s*", re.IGNORECASE)
_RANGE = re.compile(rf"(\d{{1,4}})\s*(?:{_TO})\s*(?:(?:frames?|帧)\s*)?#?(\d{{1,4}})", re.IGNORECASE)
_HAN = re.compile(rf"(第\s*)([{HAN_NUMERALS}]+)(?=\s*(?:帧|[张幅](?:图|画面|照片)))")
_HAN_ITEM = re.compile(rf"^([^\w\n“「『«\"]*第\s*)([{HAN_NUMERALS}]+)(?=\s*帧)", re.MULTILINE)
_CLOCK = re.compile(
    r"(?<![\d:：.])(?:(?P<h>\d{1,2})[:：])?(?P<m>\d{1,2})[:：](?P<s>\d{2})(?:\.(?P<part>\d{1,3}))?(?![\d:：])"
)
# Only a place in time ("at 3.5 s", "第 3 秒", "在 2 分 5 秒"), not a duration ("for 3 seconds").
_PLACE = r"(?:\b(?:at|after|around|about|by|@)\s*|\bt\s*=\s*|[第在到于约]\s*)"
_HOURS = r"(?:(?P<h>\d{1,2})\s*(?:hours?|hrs?|h|小时|时)\s*)"
_SECONDS = re.compile(rf"{_PLACE}(?P<s>\d+(?:\.\d+)?)\s*(?:seconds?\b|secs?\b|s\b|秒)", re.IGNORECASE)
_MINUTES = re.compile(
    rf"{_PLACE}{_HOURS}?(?P<m>\d{{1,6}})\s*(?:minutes?\b|mins?\b|m(?![a-z])|分钟?)"
    r"(?:\s*(?:and\s*)?(?P<s>\d+)\s*(?:seconds?\b|secs?\b|s\b|秒))?",
    re.IGNORECASE,
)
_PRIMES = re.compile(
    r"(?:\bat\s*|@\s*|[第在到于]\s*)(?P<m>\d{1,3})['′](?P<s>\d{2})(?:[\"″]|'')", re.IGNORECASE
)  # no height
# Words copied from a sign or a screen. Straight quotes inside a piece of JSON are not quotations.
_QUOTED = re.compile(r"“[^”\n]*”|「[^」\n]*」|『[^』\n]*』|«[^»\n]*»")
_QUOTED_STRAIGHT = re.compile(r'"[^"\n]*"')
_JSON = re.compile(r'"\s*:|^\s*[{\[]')
_CLOSE_SECONDS = 1.0  # "00:04" for a frame at 4.5 s is the frame's time, cut to the second
_WIDEST_RANGE = 256  # frames; a wider range is taken for two numbers.


def read(answer: str, times: Mapping[int, float]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Parse an answer in prose.

    Args:
        answer: Text of the answer.
        times: Seconds of the frames that were sent, by number.

    Returns:
        Findings on single frames, and the overview: what follows a line that starts with "Summary:" or "总结：".
    """
    heads = list(_OVERVIEW.finditer(answer))
    if not heads:
        return findings(answer, times), ()
    return findings(answer[: heads[-1].start()], times), statements(answer[heads[-1].end() :], times)


def statements(text: str, times: Mapping[int, float]) -> tuple[Finding, ...]:
    """Return each line as a finding that rests on the frames it cites."""
    return tuple(finding(line, (), times) for line in _lines(_OVERVIEW.sub("", text)))


def findings(answer: str, times: Mapping[int, float]) -> tuple[Finding, ...]:
    """Return the numbered items of an answer; lines without a number are findings of their own."""
    answer = _with_digits(_HAN_ITEM, answer)
    starts = list(_ITEM.finditer(answer))
    if not starts:
        return statements(answer, times)
    items = list(statements(answer[: starts[0].start()], times))
    for item, following in zip_longest(starts, starts[1:]):
        first, *rest = _lines(answer[item.end() : following.start() if following else len(answer)]) or [""]
        own = numbers_in(item["boxed"] or item["named"] or item["bare"])
        items.append(finding(first.rstrip(";； "), own, times))
        items += [finding(line, (), times) for line in rest]
    return tuple(finding for finding in items if finding.text)


def finding(
    text: str,
    own: Iterable[int],
    times: Mapping[int, float],
    *,
    fields: Mapping[str, str] | None = None,
    quoted: Sequence[str] = (),
    issues: Sequence[str] = (),
) -> Finding:
    """Build a finding from `text` and `fields`, and check its citations and times.

    Args:
        text: Text of the finding.
        own: Numbers of its frames, besides those that the texts cite.
        times: Seconds of the frames that were sent, by number.
        fields: Values of the template's fields, by key.
        quoted: Keys of fields that are copied from the picture; times and citations in them are ignored.
        issues: Issues that are known already.
    """
    fields = fields or {}
    texts = [text, *(value for key, value in fields.items() if key not in quoted)]
    cited = dict.fromkeys([*own, *(number for line in texts for number in cited_in(line))])
    sent = tuple(number for number in cited if number in times)
    problems = dict.fromkeys(issues)
    if len(sent) < len(cited):
        problems["frame_not_sent"] = None
    if not cited:
        problems["no_frame"] = None
    if any(_own_times(line, sent or tuple(times), times) for line in texts):
        problems["own_time"] = None
    return Finding(text, sent, tuple(problems), fields)


def cited_in(text: str) -> list[int]:
    """Return the sorted numbers of the frames that a text cites, ranges expanded; quotations are left out."""
    numbers: list[int] = []
    text = _SPELT_RANGE.sub(lambda match: f" {match[1] or match[2]} ", _with_digits(_HAN, text))
    for match in _outside_quotations(text, _CITED):
        numbers += numbers_in(next(filter(None, match.groups())))
    return sorted(set(numbers))


def numbers_in(text: str) -> list[int]:
    """Return the sorted whole numbers of a text, ranges expanded."""
    numbers = [int(number) for number in re.findall(r"\d+", text[:1000])]
    for low, high in _RANGE.findall(text[:1000]):
        if int(high) - int(low) < _WIDEST_RANGE:
            numbers += range(int(low), int(high) + 1)
    return sorted(set(numbers))


def own_times(text: str, times: Mapping[int, float]) -> list[str]:
    """Return the times in `text` that match no frame cited on the same line; without citations, no frame of `times`."""
    unmatched: list[str] = []
    for line in _lines(text):
        cited = [number for number in cited_in(line) if number in times]
        unmatched += (match[0].strip() for match in _own_times(line, cited or tuple(times), times))
    return list(dict.fromkeys(unmatched))


def without_own_times(text: str, times: Mapping[int, float]) -> str:
    """Replace each time in `text` that matches no frame by "…"."""
    for match in reversed(_own_times(text, tuple(times), times)):
        text = text[: match.start()] + "…" + text[match.end() :]
    return text


def _with_digits(numbers: re.Pattern[str], text: str) -> str:
    """Return a text with the found Chinese numbers in digits: 第三帧 is 第3帧."""
    return numbers.sub(lambda match: f"{match[1]}{han_number(match[2])}", text)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _claims(text: str) -> list[re.Match[str]]:
    """Return the times that a text names, in order and without overlaps; quotations are left out."""
    matches = _outside_quotations(text, _CLOCK, _MINUTES, _PRIMES, _SECONDS)
    claims: list[re.Match[str]] = []
    for match in matches:
        if not claims or match.start() >= claims[-1].end():
            claims.append(match)
    return claims


def _outside_quotations(text: str, *patterns: re.Pattern[str]) -> list[re.Match[str]]:
    """Return the matches of all patterns in order, except in quotations of a sign, a screen or speech."""
    marks = (_QUOTED,) if _JSON.search(text) else (_QUOTED, _QUOTED_STRAIGHT)
    quoted = [match.span() for pattern in marks for match in pattern.finditer(text)]
    return sorted(
        (
            match
            for pattern in patterns
            for match in pattern.finditer(text)
            if not any(start < match.start() and match.end() < end for start, end in quoted)
        ),
        key=lambda match: match.start(),
    )


def _own_times(text: str, frames: Sequence[int], times: Mapping[int, float]) -> list[re.Match[str]]:
    """Return the claimed times that match no frame of `frames`."""
    return [
        match
        for match in _claims(text)
        if not any(abs(times[number] - _seconds_of(match)) < _CLOSE_SECONDS for number in frames)
    ]


def _seconds_of(match: re.Match[str]) -> float:
    groups = match.groupdict()
    whole = int(groups.get("h") or 0) * 3600 + int(groups.get("m") or 0) * 60
    return whole + float(groups.get("s") or 0) + float(f"0.{groups.get('part') or 0}")
