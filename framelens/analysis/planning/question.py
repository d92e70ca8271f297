"""Ways in which the question of a request may be answered, before the description, for the estimate of its time.

`framelens.questions` says what answering takes, by the policy that it answers by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framelens.core.domain import AnalysisRequest


@dataclass(frozen=True)
class QuestionPlan:
    """What answering a question takes.

    Attributes:
        looks: Fewest and most pictures that the model is asked about, each in its own request.
        most_look_seconds: Ceiling of the time for them.
        is_search: Whether these pictures belong to a search through the video.
        is_classified: Whether the model is asked first what the question asks for.
        is_written: Whether the model writes the answer.
        frames: Most frames that the answer is written about; None for as many as are analysed.
        describes: Whether the video is described, too.
    """

    looks: tuple[int, int] = (0, 0)
    most_look_seconds: float = 0.0
    is_search: bool = False
    is_classified: bool = False
    is_written: bool = True
    frames: int | None = None
    describes: bool = True


Policy = Callable[[str, tuple[float, float], int], Sequence[QuestionPlan]]
"""policy(question, whole, frames) returns the ways in which a question about the video from `whole[0]` to `whole[1]`
seconds, of which so many frames are analysed, may be answered; the model decides which."""


def plans_of(policy: Policy | None, request: AnalysisRequest, seconds: float, frames: int) -> Sequence[QuestionPlan]:
    """Return the ways in which the question of a request may be answered; empty without a question or a model.

    Args:
        policy: How questions are answered, None where they aren't.
        request: The request.
        seconds: Length of the part that is analysed.
        frames: Number of frames that are analysed.
    """
    question, start = request.question.strip(), request.selection.start_seconds
    return policy(question, (start, start + seconds), frames) if policy and question and request.use_model else ()
