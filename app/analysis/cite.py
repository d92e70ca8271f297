"""Turns an answer into findings with the frames they rest on, and flags what the frames do not bear out.

The model cites frame numbers; the app turns them into times. A time of the model's own that is not the time of a
frame it cites, a frame that was not sent, or no frame at all is named in `Finding.issues`, never passed on as fact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import zip_longest

from app.domain import Finding

# An item starts a line or follows a semicolon. Three ways of numbering one: "[frame 3 · 00:01.000] …",
# "Frame 3: …" or "第 3 帧：…", and "3: …", "3. …" or "3) …".
_ITEM = re.compile(
    r"""(?:^|(?<=[;；\n]))[ \t]*(?:[-*•]+[ \t]*){0,2}
    (?: [\[【(（][ \t]*(?:frame|第)?[ \t]*(?P<boxed>\d{1,4})[ \t]*帧?[^\n\]】)）]{0,24}[\]】)）]\**[ \t]*[:：]?
      | (?:frame|第)[ \t]*(?P<named>\d{1,4})[ \t]*帧?(?:[ \t]*[(（\[][^\n)）\]]{0,24}[)）\]])?\**[ \t]*[:：.、]
      | (?P<bare>\d{1,4})[ \t]*\**[:：.、)](?!\d)
    )\**[ \t]*""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_OVERVIEW = re.compile(r"^\W{0,4}(?:summary|overall|总结|概述|摘要)\W{0,4}[:：]\**[ \t]*", re.IGNORECASE | re.MULTILINE)
_NUMBERS = r"\d{1,4}(?:\s*(?:[,，、和至到–—~-]|and|to)\s*(?:frames?\s*)?\d{1,4})*"
_CITED = re.compile(
    rf"\b(?:frames?|images?)\s*({_NUMBERS})\b|第\s*({_NUMBERS})\s*帧|[\[【]\s*({_NUMBERS})\s*[\]】]", re.IGNORECASE
)
_SPELT_RANGE = re.compile(r"\s*帧\s*([至到–—~-])\s*第\s*")  # "第1帧至第3帧" is "第1至3帧"
_RANGE = re.compile(r"(\d{1,4})\s*(?:[至到–—~-]|to)\s*(?:frames?\s*)?(\d{1,4})", re.IGNORECASE)
_CLOCK = re.compile(r"(?<![\d:.])(?:(\d{1,2}):)?(\d{1,2}):(\d{2})(?:\.(\d{1,3}))?(?![\d:])")
# Only a place in time ("at 3.5 s", "第 3 秒"), not a duration ("for 3 seconds").
_SECONDS = re.compile(
    r"(?:\b(?:at|after|around|about|by|@)\s*|[第在到于约]\s*)(\d+(?:\.\d+)?)\s*(?:seconds?\b|secs?\b|s\b|秒)",
    re.IGNORECASE,
)
_CLOSE_SECONDS = 1.0  # "00:04" for a frame at 4.5 s is the frame's time, cut to the second


def read(answer: str, times: Mapping[int, float]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """(what is said of single frames, what is said of the whole) of an answer, each in its order.

    `times` maps the numbers of the frames that were sent to their seconds. The whole is what follows a line that
    starts with "Summary:" or "总结：".
    """
    heads = list(_OVERVIEW.finditer(answer))
    if not heads:
        return findings(answer, times), ()
    return findings(answer[: heads[-1].start()], times), statements(answer[heads[-1].end() :], times)


def statements(text: str, times: Mapping[int, float]) -> tuple[Finding, ...]:
    """Each line as a finding of its own, resting on the frames that it cites."""
    return tuple(_finding(line, (), times) for line in _lines(_OVERVIEW.sub("", text)))


def findings(answer: str, times: Mapping[int, float]) -> tuple[Finding, ...]:
    """The numbered items of an answer; lines without a number stay findings of their own."""
    starts = list(_ITEM.finditer(answer))
    if not starts:
        return statements(answer, times)
    items = list(statements(answer[: starts[0].start()], times))
    for item, following in zip_longest(starts, starts[1:]):
        first, *rest = _lines(answer[item.end() : following.start() if following else len(answer)]) or [""]
        number = int(item["boxed"] or item["named"] or item["bare"])
        items.append(_finding(first.rstrip(";； "), (number,), times))
        items += [_finding(line, (), times) for line in rest]
    return tuple(finding for finding in items if finding.text)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _finding(text: str, own: tuple[int, ...], times: Mapping[int, float]) -> Finding:
    cited = dict.fromkeys([*own, *_cited(text)])
    sent = tuple(number for number in cited if number in times)
    issues = []
    if len(sent) < len(cited):
        issues.append("frame_not_sent")
    if not cited:
        issues.append("no_frame")
    if any(not _borne_out(seconds, sent or tuple(times), times) for seconds in _claimed_seconds(text)):
        issues.append("own_time")
    return Finding(text, sent, tuple(issues))


def _cited(text: str) -> list[int]:
    numbers: list[int] = []
    for match in _CITED.finditer(_SPELT_RANGE.sub(r"\1", text)):
        group = match[1] or match[2] or match[3]
        for low, high in _RANGE.findall(group):
            if int(high) - int(low) < 256:
                numbers += range(int(low), int(high) + 1)
        numbers += [int(number) for number in re.findall(r"\d+", group)]
    return sorted(set(numbers))


def _claimed_seconds(text: str) -> list[float]:
    clocks = [
        int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{part or 0}")
        for hours, minutes, seconds, part in _CLOCK.findall(text)
    ]
    return clocks + [float(number) for number in _SECONDS.findall(text)]


def _borne_out(seconds: float, frames: tuple[int, ...], times: Mapping[int, float]) -> bool:
    return any(abs(times[number] - seconds) < _CLOSE_SECONDS for number in frames)
