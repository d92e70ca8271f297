"""The fold of an analysis's events into its state."""

from dataclasses import replace

import pytest

from framelens.core.analysis_state import AnalysisState
from framelens.core.domain import Notice
from framelens.core.events import (
    AnalysisEvent,
    Answered,
    ChunkDone,
    EngineReady,
    FactsMeasured,
    FileHashed,
    Finished,
    HashProgress,
    Heard,
    KeyframesChosen,
    Noticed,
    Planned,
    Probed,
)
from tests.reports.test_reports import analysis


def test_the_pieces_give_the_same_report_as_the_whole() -> None:
    done = analysis()
    events: list[AnalysisEvent] = [
        Probed(done.video),
        FileHashed(done.sha256),
        KeyframesChosen(done.keyframes, done.decode),
    ]
    events += [FactsMeasured(frame_facts) for frame_facts in reversed(done.facts)]
    events += [Heard(done.transcript), *([EngineReady(done.engine)] if done.engine else [])]
    events += [*([Planned(done.layout)] if done.layout else []), *map(ChunkDone, done.requests)]
    events += [Noticed(notice) for notice in done.notices]
    state = AnalysisState()
    for event in events:
        state = state.apply(event)
    assert state.report is None
    whole = AnalysisState.of(done)
    together = replace(state, header=whole.header, seconds_by_stage=done.seconds_by_stage)
    assert whole.report == done
    assert together.report == replace(done, notices=(*done.decode.notices, *done.notices))


@pytest.mark.parametrize("event", [Answered, Finished])
def test_a_report_replaces_what_was_known(event: type[Answered] | type[Finished]) -> None:
    state = AnalysisState().apply(Noticed(Notice("no_model"))).apply(event(analysis()))
    assert state.report == analysis()


def test_a_replaced_part_drops_the_joins_that_rest_on_it() -> None:
    done = analysis()
    part = replace(done.chunks[0], key="a.b.c")
    summary = replace(part, number=0)
    state = AnalysisState().apply(ChunkDone(part)).apply(ChunkDone(summary))
    assert [result.number for result in state.results] == [0, part.number]
    assert [result.number for result in state.apply(ChunkDone(part)).results] == [0, part.number]
    changed = state.apply(ChunkDone(replace(part, answer="another")))
    assert [result.number for result in changed.results] == [part.number]


def test_notices_and_settings_are_kept_apart() -> None:
    # Answers with other settings are not mixed.
    part = replace(analysis().chunks[0], key="a.b.c")
    other = replace(part, number=part.number + 1, key="other.b.c")
    state = AnalysisState().apply(ChunkDone(part)).apply(ChunkDone(other))
    assert state.results == (other,)
    # A notice is kept once.
    state = AnalysisState()
    for _ in range(2):
        state = state.apply(Noticed(Notice("no_model")))
    assert state.notices == (Notice("no_model"),)


def test_a_known_digest_ends_the_progress_of_reading() -> None:
    half = HashProgress(1 << 29, 1 << 30)
    state = AnalysisState().apply(half)
    assert state.hashing is not None and state.hashing.percent == 50
    state = state.apply(FileHashed("0" * 64))
    assert state.hashing is None
    assert state.apply(half).hashing is None, "the survey may still read the same file"
