"""What a log of corrections makes of a report, without a store."""

from dataclasses import replace

from framelens.core.corrected_report import as_written, corrected, items_of
from framelens.core.corrections import Correction, CorrectionKind, in_force, merged, proposals, redoable, undoable
from framelens.core.domain import Analysis, Chapter
from tests.reports.test_reports import NASTY, analysis


def entry(number: int, kind: CorrectionKind, target: str = "", text: str = "", **more: object) -> Correction:
    return Correction(number, f"2026-12-01T10:02:{number:02}+00:00", "Anna", kind, target, text, **more)  # type: ignore[arg-type]


def report() -> Analysis:
    made = analysis()
    chapters = (Chapter("Gate", "A car.", 1, 0.0, 4.0), Chapter("Yard", "", 2, 4.0, 9.0))
    return replace(made, chunks=(replace(made.chunks[0], chapters=chapters, title="A yard"),))


def test_corrections_change_what_they_name_and_can_be_taken_back() -> None:
    log = (
        entry(1, "replace", "f2", "a van", was="later at 9:59", frames=(2,)),
        entry(2, "strike", "s2", was="made up"),
        entry(3, "add", "", "a dog", time_seconds=1.5),
        entry(4, "replace", "title", "Two cars"),
        entry(5, "replace", "note", "Read page 2."),
        entry(6, "strike", "c1", was="Gate\nA car."),
        entry(7, "strike", "p2"),
        entry(8, "replace", "c2", "Court\nNobody", was="Yard"),
    )
    made = corrected(report(), log)
    assert [finding.text for finding in made.findings] == [NASTY, "a van", "both", "a dog"]
    van, dog = made.findings[1], made.findings[3]
    assert (van.issues, van.person and van.person.original) == ((), "later at 9:59")
    assert (dog.person and dog.person.time_seconds, dog.frames) == (1.5, ())
    assert [sentence.text for sentence in made.overview] == ["it all"]
    assert made.whole and [(chapter.title, chapter.text) for chapter in made.whole.chapters] == [("Court", "Nobody")]
    assert (made.title, made.corrections and made.corrections.note and made.corrections.note.text) == (
        "Two cars",
        "Read page 2.",
    )
    assert [bool(frame.jpeg) for frame in made.keyframes] == [True, False]
    assert made.corrections and made.corrections.unmatched == ()
    assert as_written(made) == replace(report(), keyframes=made.keyframes)
    assert corrected(made, log) == made  # again


def test_undo_and_redo_are_entries_of_the_log_by_person() -> None:
    log = (
        entry(1, "replace", "f2", "first", was="later at 9:59"),
        entry(2, "replace", "f2", "second", was="later at 9:59"),
        replace(entry(3, "replace", "s1", "other", was="it all"), author="Bo"),
    )
    undone = (*log, entry(4, "undo", "2"), entry(5, "undo", "1"))
    assert corrected(report(), undone).findings == report().findings
    assert in_force(log[:2])["f2"].text == "second" and in_force(undone[:4])["f2"].text == "first"
    assert undoable(undone, "Anna") == () and undoable(undone, "Bo") == (log[2],)
    assert redoable(undone, "Anna") == (log[0],)
    redone = (*undone, entry(6, "redo", "1"))
    assert (in_force(redone)["f2"].text, redoable(redone, "Anna")) == ("first", (log[1],))
    assert redoable((*redone, entry(7, "strike", "s2", was="made up")), "Anna") == ()


def test_a_sentence_that_moved_is_found_and_one_that_went_is_named() -> None:
    log = (entry(1, "replace", "f1", "a van", was="both"), entry(2, "strike", "f3", was="gone"))
    made = corrected(report(), log)
    assert [finding.text for finding in made.findings] == [NASTY, "later at 9:59", "a van"]
    assert made.corrections and made.corrections.unmatched == (2,)


def test_a_proposal_changes_nothing_until_somebody_decides() -> None:
    log = (
        entry(1, "replace", "f1", "mine", was=NASTY),
        entry(2, "replace", "f1", "yours", was=NASTY, is_proposal=True),
    )
    assert corrected(report(), log).findings[0].text == "mine" and proposals(log) == (log[1],)
    assert proposals((*log, entry(3, "replace", "f1", "ours", was=NASTY))) == ()
    items = {item.key: item for item in items_of(corrected(report(), (*log, entry(3, "strike", "s1", was="it all"))))}
    assert items["s1"].is_struck and (items["s1"].text, items["s1"].original) == ("", "it all")
    assert (items["f1"].text, items["f1"].original, items["c2"].time_seconds) == ("mine", NASTY, 4.0)


def test_two_copies_of_a_report_are_merged_without_loss() -> None:
    log = (entry(1, "strike", "s1", was="it all"),)
    mine = (*log, entry(2, "replace", "f1", "mine", was=NASTY))
    other = (
        entry(2, "add", "", "a dog"),
        entry(3, "replace", "a2", "a cat"),
        entry(4, "replace", "f1", "yours", was=NASTY),
    )
    assert merged(log, mine) == mine[1:] and merged(mine, log) == () and merged(mine, mine) == ()
    added = merged(mine, (*log, *other))
    assert [(one.number, one.key, one.is_proposal) for one in added] == [
        (3, "a3", False),
        (4, "a3", False),
        (5, "f1", True),
    ]
    made = corrected(report(), (*mine, *added))
    assert (made.added[0].text, made.findings[0].text) == ("a cat", "mine")
