"""Question before an analysis on the command line whether to download a missing model, with its cost."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from app.config import Settings
from app.core import Cancelled, Language, human_size
from app.i18n import t
from app.models import need_text
from app.services import (
    ModelCandidate,
    Readiness,
    build_engine,
    confirmed_downloads,
    hardware_profile,
    latest_trials,
    speed_text,
    with_local_model,
)
from app.services.readiness import readiness


def settle(settings: Settings, given: argparse.Namespace, language: Language) -> Settings:
    """Return the settings to analyse with, after asking the user about a model that must be downloaded.

    `--yes` confirms it for scripts. Without it and without a terminal nothing is downloaded: instructions are printed,
    and the analysis runs without the model. Sets `given.no_model` if the user wants none.

    Raises:
        Cancelled: The user chose to stop.
    """
    now = readiness(settings, build_engine(settings)[0])
    if now.kind != "download" or now.model is None:
        return settings
    if given.yes:
        confirmed_downloads(settings).add(now.model.model)
        return settings
    is_asked = sys.stdin.isatty() and sys.stderr.isatty()
    print("\n".join(_lines(now, now.model, settings, language, is_asked=is_asked)), file=sys.stderr)
    if not is_asked:
        print(t("cli.download_unconfirmed", language, model=now.model.model), file=sys.stderr)
        return settings
    return _ask(now, now.model, settings, given, language)


def print_missing(settings: Settings, language: Language) -> None:
    """Print the cost of the download, if one is needed."""
    now = readiness(settings, build_engine(settings)[0])
    if now.model:
        print("\n".join(_lines(now, now.model, settings, language, is_asked=False)))


def _lines(
    now: Readiness, model: ModelCandidate, settings: Settings, language: Language, *, is_asked: bool
) -> Iterator[str]:
    yield t("models.missing.absent", language, model=model.model)
    values = {"size": human_size(model.download_bytes or 0), "free": human_size(now.free_bytes)}
    key = "to_download" if model.download_bytes else "to_download_unknown"
    yield t(f"models.page.{key if now.has_room else 'no_room'}", language, **values)
    if model.need:
        yield need_text(model.need, language)
    if speed := _speed(model, settings, language):
        yield speed
    if now.offers:
        yield t("models.missing.offers_asked" if is_asked else "models.missing.offers_cli", language)
    for number, one in enumerate(now.offers, start=1):
        yield f"  {number if is_asked else '-'}  {_about(one, settings, language)}"


def _about(one: ModelCandidate, settings: Settings, language: Language) -> str:
    size = human_size(one.download_bytes or 0)
    place = t("models.missing.here" if one.download_bytes == 0 else "models.missing.size", language, size=size)
    return " · ".join(filter(None, (one.model, place, _speed(one, settings, language))))


def _speed(one: ModelCandidate, settings: Settings, language: Language) -> str:
    measured = latest_trials(settings.data_dir, hardware_profile.here().device).get(one.model)
    return speed_text(one.pace, one.entry is None or one.entry.sees, measured, language)


def _ask(
    now: Readiness, model: ModelCandidate, settings: Settings, given: argparse.Namespace, language: Language
) -> Settings:
    """Ask until the answer is one of those offered, and return the settings."""
    size = human_size(model.download_bytes) if model.download_bytes else "?"
    if now.has_room:
        print(f"  y  {t('cli.answer_download', language, model=model.model, size=size)}", file=sys.stderr)
    print(f"  n  {t('cli.answer_without', language)}", file=sys.stderr)
    print(f"  q  {t('cli.answer_quit', language)}", file=sys.stderr)
    choices = {str(number): one for number, one in enumerate(now.offers, start=1)}
    while True:
        print(t("cli.answer", language), end=" ", file=sys.stderr, flush=True)
        word = sys.stdin.readline()
        answer = word.strip().lower()
        if not word or answer == "q":
            raise Cancelled
        if answer == "n":
            given.no_model = True
            return settings
        if answer == "y" and now.has_room:
            confirmed_downloads(settings).add(model.model)
            return settings
        if one := choices.get(answer):
            confirmed_downloads(settings).add(one.model)
            return with_local_model(
                settings, model=one.model, vllm_config=json.dumps(dict(one.config or {})), engine="vllm"
            )
