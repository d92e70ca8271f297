import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from framelens.analysis.prompts import prompts
from framelens.analysis.prompts.schema import KEYS, Scope
from framelens.analysis.prompts.templates import built_in
from framelens.core.domain import (
    AnalysisRequest,
    Chapter,
    ChunkResult,
    Cue,
    Finding,
    Keyframe,
    Language,
    Selection,
    Subject,
    Usage,
)
from framelens.i18n import LANGUAGES, in_language

pytestmark = pytest.mark.usefixtures("english")

LOG = built_in()["log"]


def frames(first: int = 9, last: int = 12) -> list[Keyframe]:
    return [Keyframe(n, n * 10, n * 1.5, "even", 1, 64, 36, b"") for n in range(first, last + 1)]


def request(language: Language = "en", **options: Any) -> AnalysisRequest:
    return AnalysisRequest(Path("clip.mp4"), language=language, **{"template": "log", **options})


def result(
    number: int, findings: tuple[Finding, ...] = (), overview: tuple[Finding, ...] = (), **more: Any
) -> ChunkResult:
    return ChunkResult(number, (9, 10, 11, 12), "messages", "raw", findings, overview, "", "stop", Usage(), 1.0, **more)


def test_chunk_prompt_holds_frames_context_and_speech() -> None:
    text = prompts.chunk_question(
        request(question="Who comes in?"),
        LOG,
        frames(),
        3,
        subjects=[Subject("the man in the red jacket", "tall, with a grey bag")],
        earlier=["A door stands open."],
        cues=[Cue(14.0, 15.0, "hello\nthere"), Cue(14.6, 15.5, "my friend"), Cue(99.0, 99.5, "good night")],
    )
    assert text.startswith(LOG.ask.en)
    assert "frames 9 to 12 of a longer video" in text
    assert "relevant to it, for or against: Who comes in?" in text
    assert "- the man in the red jacket: tall, with a grey bag" in text
    assert "- A door stands open." in text
    assert '[frame 9 · 00:13.500] "hello there"' in text
    assert '[frame 10 · 00:15.000] "my friend"' in text
    assert '[frame 12 · 00:18.000] "good night"' in text
    assert "heard, not seen" in text
    assert tuple(json.loads(text.splitlines()[-1])) == KEYS["part"]


def test_speech_has_frame_times_and_its_room() -> None:
    # Speech in prompt has only frame times.
    text = prompts.chunk_question(request(), LOG, frames(), 1, cues=[Cue(13.9, 14.2, "hello")])
    assert set(re.findall(r"\d\d:\d\d\.\d{3}", text)) == {"00:13.500"}
    # Long speech does not crowd out short speech.
    cues = [Cue(13.0, 14.0, "w" * 9000), Cue(18.0, 19.0, "the end of the story")]
    assert "the end of the story" in prompts.chunk_question(request(), LOG, frames(), 1, cues=cues)


def test_single_chunk_answers_question_about_whole_video() -> None:
    whole = prompts.chunk_question(request(), LOG, frames(1, 4), 1)
    asked = prompts.chunk_question(request(question="Who?"), LOG, frames(1, 4), 1)
    assert "longer video" not in whole
    assert tuple(json.loads(whole.splitlines()[-1])) == KEYS["whole"]
    assert tuple(json.loads(asked.splitlines()[-1])) == KEYS["whole"]
    assert "answered separately. Don't answer it; report everything relevant to it, for or against: Who?" in asked


def test_ranges_and_missing_frames_are_reported() -> None:
    # A range of the video is reported.
    asked = request(selection=Selection(start_seconds=10.0, end_seconds=20.0))
    assert "The frames show 00:13.500 to 00:18.000 of a longer video" in prompts.chunk_question(asked, LOG, frames(), 1)
    # Without frames none are to be cited.
    text = prompts.chunk_question(request(question="What is this?"), LOG, (), 1, cues=[Cue(0, 1, "hello")])
    assert "Leave the lists of frames empty" in text
    assert "hello" not in text
    # Unverified chunk is marked in merge prompt.
    doubtful = result(1, (Finding("A ghost.", (), ("no_frame",)),))
    assert "- [] A ghost. (unverified)" in prompts.account(doubtful, LOG)


def test_what_is_carried_along_never_grows_beyond_its_room() -> None:
    text = prompts.chunk_question(
        request(),
        LOG,
        frames(),
        9,
        subjects=[Subject(f"thing {n} " + "x" * 500, "y" * 5000) for n in range(500)],
        earlier=["z" * 5000] * 500,
        cues=[Cue(13.0 + n / 100, 14.0 + n, "w" * 900) for n in range(500)],
    )
    bare = prompts.chunk_question(request(), LOG, frames(), 9)
    assert len(text) - len(bare) < 8000
    assert "thing 499" in text  # the latest are kept
    assert "thing 100 " not in text


def part() -> ChunkResult:
    return result(
        1,
        (
            Finding("A man enters.", (9, 10), (), {"kind": "appears", "where": "left"}),
            Finding("A ghost.", (), ("frame_not_sent",)),
            Finding("A dog runs at 0:45.", (11,), ("own_time",)),
            Finding("A cat.", (12,), ("unknown_value",), {"kind": "sleeps"}),
        ),
        (Finding("A quiet day.", (9, 12)),),
    )


def test_merge_uses_verified_findings_only() -> None:
    text = prompts.join_question(request(question="Who?"), LOG, [part(), result(2, (Finding("Night.", (12,)),))])
    assert "Frames 9 to 12:\n- [9, 10] (Event: appears; Where: left) A man enters." in text
    assert "- [12] (Event: sleeps) A cat." in text
    assert "Overview:\n- [9, 12] A quiet day." in text
    assert "- [12] Night." in text
    assert "ghost" not in text
    assert "0:45" not in text
    assert "raw" not in text
    assert LOG.join.en in text
    assert "for or against: Who?" in text
    assert tuple(json.loads(text.splitlines()[-1])) == KEYS["join"]


def test_merge_of_merges_keeps_sections() -> None:
    joined = result(
        0,
        overview=(Finding("First this.", (9,)),),
        title="A day",
        chapters=(Chapter("Morning", "They wake.", 9, 0.0, 15.0),),
        reply=(Finding("The man.", (10,)),),
    )
    text = prompts.join_question(request(), LOG, [joined, joined])
    assert "- [9] First this." in text
    assert "- from [9]: Morning. They wake." in text
    assert "The man." not in text  # the question is answered apart from the description


def test_prompt_preview_equals_request_with_placeholders() -> None:
    (role, system), (other, user) = prompts.exact_prompt(request(), LOG, frames(9, 10), 2)
    assert (role, other) == ("system", "user")
    assert system == prompts.system_prompt("part")
    assert user.startswith("[frame 9 · 00:13.500]\n‹picture 9›\n[frame 10 · 00:15.000]\n‹picture 10›\n")
    assert user.endswith(prompts.chunk_question(request(), LOG, frames(9, 10), 2))


@pytest.mark.parametrize("num_chunks", [1, 2])
def test_prompt_prefix_is_equal_for_all_templates(num_chunks: int) -> None:
    before = set()
    for key, template in built_in().items():
        for question in ("", "Who?"):
            asked = request(template=key, question=question)
            (_, system), (_, user) = prompts.exact_prompt(asked, template, frames(9, 10), num_chunks)
            before.add((system, user[: user.index("‹picture 10›")]))
    assert len(before) == 1


def test_prompt_preview_shows_places_of_frames() -> None:
    _, (_, user) = prompts.exact_prompt(request(), LOG, (), 1)
    assert user.startswith("[frame 1 · …]\n‹picture 1›\n[frame 2 · …]\n‹picture 2›\n" + LOG.ask.en)
    assert "Leave the lists of frames empty" not in user


@pytest.mark.parametrize("key", built_in())
def test_a_chinese_request_is_chinese_through_and_through(key: str) -> None:
    template = built_in()[key]
    asked = request("zh", template=key, question="谁来了？", selection=Selection(start_seconds=1.0))
    reported = prompts.chunk_question(
        asked,
        template,
        frames(),
        3,
        subjects=[Subject("男人", "红衣")],
        earlier=["门开着。"],
        cues=[Cue(13, 14, "你好")],
    )
    joined = prompts.join_question(asked, template, [part()])
    with in_language("zh"):
        systems = [prompts.system_prompt(scope) for scope in get_args(Scope)]
    for text in (
        *systems,
        reported.rsplit("\n", 1)[0],
        joined[joined.index("以上") :].rsplit("\n", 1)[0],
    ):
        words = set(re.findall(r"[A-Za-z_]+", text))
        allowed = {"JSON", "null", *KEYS["whole"], "subjects", "frames", "text", "name", "look"}
        allowed |= {"first_frame"} | {field.key for field in template.fields}
        assert words <= allowed, words - allowed


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_the_user_are_taken_as_they_are(language: Language) -> None:
    text = prompts.chunk_question(request(language, question="Is {x} in {0}? 100 %s"), LOG, frames(), 2)
    assert "Is {x} in {0}? 100 %s" in text
