"""An analysis of a video that was analysed before decodes nothing, whatever is asked about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app import config
from app.analysis.prompts.templates import load
from app.analysis.task import Task
from app.core.domain import Analysis, AnalysisRequest, Finished
from app.services.engine_session import build_engine, runner
from app.video import extractor
from tests.media import moving, write_video


def test_second_analysis_reuses_the_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "clip.mp4", moving(20))
    settings = config.load()
    run = runner(settings, build_engine(settings)[0], load(None))

    def analysed(template: str) -> Analysis:
        request = AnalysisRequest(path, frames=3, template=template, use_model=False)
        (done,) = (e for e in run(Task(request, "job")) if isinstance(e, Finished))
        return done.analysis

    first = analysed("describe")
    monkeypatch.setattr(extractor, "DecoderWorker", None)
    second = analysed("log")
    same = {"request": first.request, "created": "", "seconds_by_stage": {}, "field_names": {}}
    assert replace(second, **same) == replace(first, **same)  # type: ignore[arg-type]
    assert len(second.facts) == len(second.keyframes) == 3
