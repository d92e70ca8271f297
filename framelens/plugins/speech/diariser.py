"""Diariser on this machine: sherpa-onnx in a worker process of its own separates speakers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from framelens.plugin import Settings
from framelens.plugin.files import typed_path
from framelens.plugin.processes import DecoderWorker
from framelens.plugin.speech import Pieces, SpeakerTurn, SpeechModelName
from framelens.plugins.speech.diarisation.messages import (
    MESSAGES,
    WORKER,
    DiarisationProgress,
    DiarisationRequest,
    SoundTaken,
    TurnsFound,
)
from framelens.plugins.speech.hub_model import SPARE_BYTES, SpeechModel, answer_of, answers_of, threads_here
from framelens.plugins.speech.recogniser import parts
from framelens.plugins.speech.speaker_models import SpeakerReference, default_models, models_in

_BYTES_A_SECOND = 16 * 16_000
"""Memory for a second of sound: its samples as they arrive, and as floats twice."""


def diariser(settings: Settings) -> SherpaDiariser:
    """Return the diariser that these settings mean."""
    named = settings.speaker_model_path
    return SherpaDiariser(settings, models_in(Path(typed_path(named))) if named else default_models())


class SherpaDiariser(SpeechModel[SpeakerReference]):
    """Diariser with a pair of models; see framelens.engine.recognisers.LocalDiariser."""

    def model(self) -> SpeechModelName:
        """Return the name of the models; see Diariser."""
        self.check_usable()
        model, is_named = self._model, not self._model.hub_id
        files = [path for path in (model.segmentation, model.embedding) if path] if is_named else []
        changed = [f"{path} {path.stat().st_mtime_ns}" for path in files]
        return SpeechModelName(self.name, " ".join(["sherpa-onnx", model.name, *changed]))

    def turns(
        self,
        pieces: Pieces,
        num_speakers: int,
        end_seconds: float,
        cancel: threading.Event,
        on_share: Callable[[float], object],
    ) -> tuple[SpeakerTurn, ...]:
        """Return who speaks when; see Diariser."""
        self.fetch(lambda progress: None, cancel)
        model = self._model
        assert model.segmentation and model.embedding
        memory = SPARE_BYTES + round(_BYTES_A_SECOND * end_seconds)
        request = DiarisationRequest(
            model.segmentation.resolve(), model.embedding.resolve(), memory, num_speakers, threads_here()
        )
        with DecoderWorker(request, module=WORKER, messages=MESSAGES) as child:
            answers = answers_of(child, cancel, self.name)
            for part in parts(pieces):
                child.ask(part)
                if part.samples:
                    answer_of(SoundTaken, answers)
            return answer_of(TurnsFound, _follow(answers, on_share)).turns


def _follow(answers: Iterator[object], on_share: Callable[[float], object]) -> Iterator[object]:
    """Yield the answers, and report the progress among them."""
    for answer in answers:
        if isinstance(answer, DiarisationProgress):
            on_share(answer.share)
        yield answer
