"""Conversations of a data folder in reports, and conversations of imported reports in a data folder."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import framelens
from framelens import config
from framelens.composition import Services, open_library
from framelens.core.domain import UNKNOWN_PATH, Analysis, Notice, ReportedSearch
from framelens.core.evidence import Moments, VoteSample
from framelens.jobs.stored.report_import import reports_in
from framelens.questions.conversation import AskSettings, ContextUse, Conversation, Evidence, FrameRef
from framelens.reports.formats import FORMATS
from framelens.reports.json import reader
from tests.cards import draw_card, to_jpeg
from tests.reports.test_reports import analysis

pytestmark = pytest.mark.usefixtures("english")
GATE, YARD = "gate0001", "yard0001"
BLUE, GREEN, YELLOW = (to_jpeg(draw_card(colour)) for colour in ("blue", "green", "yellow"))
FOUND = Moments(GATE, "a man", 0.0, 9.0, (VoteSample(1, 0.04, 0.08, 0.9, 1),), contrary={1: 0.1}, ended="complete")
SETTINGS = AskSettings(temperature=0.3, system_prompt="Be brief.")


def opened(folder: Path) -> Services:
    return open_library(config.load({"FRAMELENS_DATA_DIR": str(folder)}, Path("/dev/null")))


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with opened(tmp_path / "data") as services:
        yield services


def video(job_id: str, name: str) -> Analysis:
    made = analysis(id=job_id)
    return replace(made, video=replace(made.video, name=name, path=UNKNOWN_PATH))


def converse(services: Services) -> Conversation:
    """Ask twice about two videos and an image, the first question in two versions; the second is shown."""
    for job_id, name in ((GATE, "gate.mp4"), (YARD, "yard.mp4")):
        made = video(job_id, name)
        frames = [replace(frame, jpeg=GREEN) for frame in made.keyframes] if job_id == YARD else made.keyframes
        services.jobs.import_report(replace(made, keyframes=tuple(frames)))
    kept = services.conversations
    (image,) = kept.keep_images([("photo.png", YELLOW)])
    (between,) = kept.keep_pictures([BLUE])
    conversation = Conversation.begun_about([GATE, YARD], "en").with_question("A first version?", SETTINGS)
    conversation = kept.add(conversation).with_question("Who comes in?", SETTINGS, edit=1, images=[image])
    conversation = kept.add(conversation)
    frames = conversation.numbered(
        [
            FrameRef(0, 0.0, GATE),
            FrameRef(0, 4.0, GATE),
            FrameRef(0, 0.0, YARD),
            FrameRef(0, 4.0, YARD),
            FrameRef(0, 2.5, GATE, between),
        ]
    )
    conversation = kept_turn(
        services,
        conversation,
        answer="A man [2], as in the yard [4] and between [6].",
        frames=frames,
        attached=(*frames, *conversation.last.images),
        cited=(frames[0], frames[2], frames[4]),
        context=ContextUse("messages", (1, 2, 3, 4, 5, 6)),
        evidence=Evidence(moments=(FOUND, replace(FOUND, analysis_id=YARD, thing="a cat"))),
    )
    conversation = kept.add(conversation.with_question("And then?", SETTINGS))
    return kept_turn(
        services,
        conversation,
        answer="Gone [3] [99]",
        state="failed",
        why=Notice("engine_empty_answer", {}, "error", "error"),
        cited=(frames[1],),
        unknown_frames=(99,),
        own_times=("7:30",),
    )


def kept_turn(services: Services, conversation: Conversation, **changes: object) -> Conversation:
    named = {"state": "complete", "model": "tiny", "seconds": 1.5, **changes}
    turn = replace(conversation.last, **named)  # type: ignore[arg-type]
    conversation = conversation.with_turn(turn)
    services.conversations.save(conversation, turn)
    return conversation


def reported(services: Services, job_id: str = GATE) -> Analysis:
    found = services.reports.get(job_id)
    assert found
    return found


def test_report_has_the_shown_branch_with_its_pictures(services: Services) -> None:
    stored = converse(services)
    (talk,) = reported(services).conversations
    assert (talk.id, talk.name, talk.videos) == (stored.id, "A first version?", ("yard.mp4",))
    first, second = talk.answers
    assert (first.question, first.versions, first.cited) == ("Who comes in?", 2, (2, 4, 6))
    assert (first.images, first.mode, len(first.pictures), first.model) == ((1,), "messages", 6, "tiny")
    assert first.settings["temperature"] == 0.3 and first.settings["system_prompt"] == "Be brief."
    assert first.searches[0] == ReportedSearch(FOUND) and first.searches[1].video == "yard.mp4"
    assert (second.state, second.unknown_frames, second.own_times) == ("failed", (99,), ("7:30",))
    shown = {picture.number: (picture.keyframe, picture.video, picture.name, picture.jpeg) for picture in talk.pictures}
    assert shown.pop(1)[:3] == (0, "", "photo.png")
    assert shown == {
        2: (1, "", "", b""),
        3: (2, "", "", b""),
        4: (0, "yard.mp4", "", GREEN),
        6: (0, "", "", BLUE),
    }


def test_conversation_is_in_the_report_of_each_of_its_videos(services: Services) -> None:
    converse(services)
    (talk,) = reported(services, YARD).conversations
    assert talk.videos == ("gate.mp4",)
    shown = {picture.number: (picture.keyframe, picture.video) for picture in talk.pictures}
    assert shown[4] == (1, "") and shown[2] == (0, "gate.mp4") and shown[6] == (0, "gate.mp4")


def test_report_without_them_is_that_of_the_job(services: Services) -> None:
    stored = converse(services)
    assert services.reports.get(GATE, conversations=False) == services.jobs.snapshot(GATE).analysis
    services.conversations.discard(stored.id)
    assert reported(services) == services.jobs.snapshot(GATE).analysis


def test_video_of_a_conversation_can_be_deleted(services: Services) -> None:
    converse(services)
    services.jobs.remove(YARD)
    (talk,) = reported(services).conversations
    assert talk.videos == () and talk.answers[0].answer.startswith("A man")


def exported(services: Services, job_id: str = GATE) -> Analysis:
    return reader.read(FORMATS["json"].write(reported(services, job_id), "en"), name="a.json")


@pytest.mark.slow
def test_imported_report_brings_its_conversation(services: Services, tmp_path: Path) -> None:
    stored = converse(services)
    foreign = exported(services)
    with opened(tmp_path / "other") as there:
        assert there.reports.add(foreign) == GATE
        kept = there.conversations.get(stored.id)
        assert kept.id == stored.id and kept.about == (GATE,) and kept.name == stored.name
        assert [turn.question for turn in kept.branch()] == ["Who comes in?", "And then?"]
        first, second = kept.branch()
        assert first.settings == SETTINGS and first.context.mode == "messages"
        assert first.evidence == Evidence(moments=(FOUND,))
        assert [ref.number for ref in first.cited] == [2, 4, 6] and first.cited[0].analysis_id == GATE
        assert [one.number for one in first.added] == [2, 3, 4, 6, 1]
        assert second.why == Notice("engine_empty_answer", {}, "error", "error") and not second.frames
        here, away = reported(services), reported(there)
        assert [answer.answer for answer in away.conversations[0].answers] == [
            answer.answer for answer in here.conversations[0].answers
        ]
        for name in ("html", "markdown"):
            for one in (here, away):
                page = FORMATS[name].to_bytes(one, "en", appendix=True).decode().replace("\\", "")
                assert all(said in page for said in ("[4] yard.mp4 00:00.000", "[6]", "photo.png", "0.3")), page
        kept.with_question("Still?", SETTINGS)  # it can be continued
        there.reports.add(foreign)
        assert [one.id for one in there.conversations.find()] == [stored.id]


def test_ids_of_imported_conversations_never_clash(services: Services, tmp_path: Path) -> None:
    stored = converse(services)
    reports = [exported(services, GATE), exported(services, YARD)]
    with opened(tmp_path / "other") as there:
        for report in (*reports, *reports):
            there.reports.add(report)
        found = there.conversations.find()
        assert len(found) == 2 and {one.about for one in found} == {(GATE,), (YARD,)}
        assert stored.id in {one.id for one in found}
    services.reports.add(reports[0])
    assert services.conversations.get(stored.id).turns == stored.turns


@pytest.mark.parametrize("id", ["../evil", "", "-rf", "latest"])
def test_odd_ids_and_settings_of_a_report_do_no_harm(services: Services, tmp_path: Path, id: str) -> None:
    converse(services)
    foreign = exported(services)
    (talk,) = foreign.conversations
    odd = replace(talk.answers[0], settings={"temperature": 99, "unknown": "x", "seed": "y"})
    foreign = replace(foreign, conversations=(replace(talk, id=id, name="", answers=(odd,)),))
    with opened(tmp_path / "other") as there:
        there.reports.add(foreign)
        there.reports.add(foreign)
        (kept,) = there.conversations.find()
        assert kept.id.isalnum() and kept.name == "gate.mp4"
        assert there.conversations.get(kept.id).last.settings == AskSettings()


@pytest.mark.slow
def test_python_api_writes_and_leaves_out_answers(services: Services, tmp_path: Path) -> None:
    converse(services)
    plain = services.jobs.snapshot(GATE).analysis
    assert plain
    with_answers = framelens.with_conversations(plain, data_dir=tmp_path / "data")
    assert b"Who comes in?" in framelens.report(with_answers, "html")
    assert b"Who comes in?" not in framelens.report(with_answers, "html", conversations=False)
    framelens.save_report(with_answers, tmp_path / "a.json")
    assert b"Who comes in?" in framelens.report(tmp_path / "a.json")
    assert b"Who comes in?" not in framelens.report(tmp_path / "a.json", conversations=False)
    (back,) = reports_in([tmp_path / "a.json"])
    assert json.loads(framelens.report(back, "json"))["conversations"]
