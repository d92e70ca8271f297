"""What can be asked: the templates, and the words of every request. The texts themselves are in app/i18n.

A template is a key with its text `prompt.template.<key>` and its label `template.<key>` in each language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain import AnalysisRequest, ChunkResult, Keyframe, Language
from app.i18n import t


@dataclass(frozen=True)
class Template:
    """One way of asking. `needs_question`: there is nothing to ask without the user's own words."""

    key: str
    needs_question: bool = False


TEMPLATES: dict[str, Template] = {
    template.key: template
    for template in (
        Template("describe"),
        Template("log"),
        Template("slides"),
        Template("steps"),
        Template("question", needs_question=True),
    )
}


def system_prompt(language: Language) -> str:
    """The system message of every request: only what is visible, cited by frame number."""
    return t("prompt.system", language)


def chunk_question(request: AnalysisRequest, frames: Sequence[Keyframe], num_chunks: int) -> str:
    """The question that follows the frames of one chunk."""
    language = request.language
    parts = [t(f"prompt.template.{request.template}", language)]
    if request.question.strip():
        parts.append(t("prompt.question", language, question=request.question.strip()))
    if num_chunks > 1 and frames:
        parts.append(t("prompt.part", language, first=frames[0].number, last=frames[-1].number))
    parts.append(t("prompt.format", language, last=frames[-1].number) if frames else t("prompt.answer", language))
    return "\n".join(parts)


def summary_question(request: AnalysisRequest, chunks: Sequence[ChunkResult]) -> str:
    """The request that joins the answers of several chunks into one account."""
    answers = "\n\n".join(
        t("prompt.part_answer", request.language, first=chunk.frames[0], last=chunk.frames[-1]) + "\n" + chunk.answer
        for chunk in chunks
    )
    parts = [answers, "", t("prompt.summary", request.language)]
    if request.question.strip():
        parts.append(t("prompt.question", request.language, question=request.question.strip()))
    return "\n".join(parts)
