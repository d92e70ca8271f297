"""Ask FrameLens the questions of a public set, and print its scores.

    python -m benchmarks.datasets NAME --annotations FILE --videos FOLDER --out FILE

You provide the set's files; nothing is downloaded. Questions with choices are asked in a conversation of
their own, with the frames that are chosen for each, and the answer is held to one letter; for TimeLens the moments are
searched for. Every answer is appended to --out at once, and a second run of the same command continues there.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from benchmarks.datasets.formats import LETTERS, READERS, Item, video_of
from benchmarks.datasets.scores import Outcome, table
from framelens import config
from framelens.composition import Services, open_services
from framelens.core.errors import AppError, EngineError
from framelens.core.events import value_of
from framelens.core.evidence import Moments
from framelens.i18n import error_text, in_language
from framelens.jobs.analyses import with_named
from framelens.jobs.asking import FrameOptions
from framelens.questions.conversation import AnswerDone, AnswerDraft, AskSettings, Look, LookKind, Turn

_LETTER = re.compile(rf"\W*([{LETTERS}])\b")


def main(words: list[str]) -> int:
    """Run and return the exit code: 0, or 2 if no outcome can be scored."""
    given = _parse(words)
    items = list(islice(READERS[given.name](given.annotations), given.limit))
    found = {item.id: path for item in items if (path := video_of(item, given.videos))}
    if missing := [item for item in items if item.id not in found]:
        print(f"{len(missing)} of {len(items)} questions have no video in {given.videos}", file=sys.stderr)
    settings = with_named(config.load(), model=given.model, base_url=given.base_url)
    look = given.look or ("when" if given.name == "timelens" else "auto")
    setup = f"{given.name} {settings.model_path} {settings.base_url} frames={given.frames} look={look}"
    known = dict(_kept(given.out, setup))
    left = [item for item in items if item.id in found and item.id not in known]
    with in_language("en"), closing(open_services(settings, adopts=False)) as services:
        for number, item in enumerate(left, 1):
            outcome = _outcome(services, item, found[item.id], frames=given.frames, look=look)
            known[item.id] = _keep(given.out, setup, outcome)
            print(f"\r{number}/{len(left)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    outcomes = [Outcome(item, **known[item.id]) for item in items if item.id in known]
    for line in table(outcomes) if outcomes else ():
        print(line)
    return 0 if outcomes else 2


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.datasets", description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=READERS)
    parser.add_argument("--annotations", type=Path, required=True, help="the set's own file with the questions")
    parser.add_argument("--videos", type=Path, required=True, help="folder with the set's videos")
    parser.add_argument("--out", type=Path, required=True, help="file with a line for each answer, to continue later")
    parser.add_argument("--limit", type=int, help="only the first N questions")
    parser.add_argument("--frames", type=int, default=8, help="frames for a question (default: 8)")
    parser.add_argument("--look", choices=get_args(LookKind), help="choice of frames, such as global to compare")
    parser.add_argument("--model", default="")
    parser.add_argument("--base-url", default="")
    return parser.parse_args(words)


def _outcome(services: Services, item: Item, path: Path, *, frames: int, look: LookKind) -> Outcome:
    """Ask a question; an error of the video is the outcome, an error of the engine ends the run.

    Raises:
        EngineError: The engine can't be used.
    """
    try:
        turn = _answered(services, item, path, frames=frames, look=look)
    except EngineError:
        raise
    except AppError as error:
        return Outcome(item, problem=error_text(error))
    if item.span is not None:
        return Outcome(item, span=_best(turn.evidence.moments if turn.evidence else ()))
    letter = _LETTER.match(turn.answer)
    return Outcome(item, letter[1]) if letter else Outcome(item, problem=f"no letter: {turn.answer[:80]!r}")


def _answered(services: Services, item: Item, path: Path, *, frames: int, look: LookKind) -> Turn:
    cancel = threading.Event()
    events = services.asking.begin([str(path)], FrameOptions("en", frames), cancel)
    asked = value_of(events)
    letters = LETTERS[: len(item.choices)]
    if item.span is None:
        choices = "\n".join(f"{letter}. {choice}" for letter, choice in zip(letters, item.choices, strict=True))
        question = f"{item.question}\n{choices}\nWhich choice is right? Answer with its letter alone."
    else:
        question = f"When does this happen: {item.question}?"
    settings = AskSettings(temperature=0.0, seed=0, letters=letters)
    asked = asked.with_question(question, settings, look=Look(look))
    with closing(services.asking.ask(AnswerDraft(asked), cancel)) as answer:
        done = [event.conversation for event in answer if isinstance(event, AnswerDone)]
    turn: Turn = done[0].last
    return turn


def _best(moments: Iterable[Moments]) -> tuple[float, float] | None:
    """Return the interval that the votes are surest of, the longest of several."""
    found = [one for moment in moments for one in moment.intervals]
    best = max(found, key=lambda one: (one.probability, one.end_seconds - one.first.time_seconds), default=None)
    return best and (best.first.time_seconds, best.end_seconds)


def _keep(out: Path, setup: str, outcome: Outcome) -> dict[str, Any]:
    answer = {"letter": outcome.letter, "span": outcome.span, "problem": outcome.problem}
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        line = json.dumps({"setup": setup, "id": outcome.item.id, "answer": answer}, ensure_ascii=False)
        file.write(f"\n{line}")  # after a line that was cut off
    return answer


def _kept(out: Path, setup: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the answers of earlier runs with the same setup; a line that was cut off is left out."""
    if not out.exists():
        return
    for line in out.read_text(encoding="utf-8").splitlines():
        try:
            one = json.loads(line)
        except ValueError:
            continue
        if one["setup"] == setup:
            span = one["answer"]["span"]
            yield one["id"], {**one["answer"], "span": span and tuple(span)}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except AppError as failure:
        sys.exit(error_text(failure, "en"))
