"""Command `framelens models check`: reports problems of a model on this machine before a start takes minutes.

It starts nothing and downloads nothing but the config of a model that is nowhere else. The exit code is 4 if a finding
stops the start.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app import config
from app.core.domain import Language
from app.core.errors import ConfigError
from app.i18n import notice_text, t
from app.models.preflight import PreflightFinding, Severity
from app.services.engine_session import pass_on
from app.services.preflight import preflight

_MARKS: Mapping[Severity, str] = {"stops": "❌", "hinders": "⚠️ ", "tells": "💡"}


def add_parser(
    asks: argparse._SubParsersAction[argparse.ArgumentParser], language: Language
) -> argparse.ArgumentParser:
    """Add this subcommand and its arguments."""
    parser = asks.add_parser("check", help=t("cli.models_check", language))
    parser.set_defaults(command=run)
    parser.add_argument("model", nargs="?", help=t("cli.models_check_name", language))
    parser.add_argument("--vllm-config", metavar="JSON", help=t("cli.models_config", language))
    return parser


def run(given: argparse.Namespace, language: Language) -> int:
    """Run the preflight checks, print the findings and return the exit code.

    Raises:
        ConfigError: A setting is wrong.
    """
    settings = config.load()
    language = given.language or settings.language or language
    pass_on(settings)
    if given.model:
        settings = replace(settings, model_path=given.model, model_chosen=True, base_url="")
    arguments = {**settings.vllm_config, **_read(given.vllm_config)} if given.vllm_config else None
    found = preflight(settings, arguments, asks_hub=True)
    if given.json:
        print(json.dumps([document(finding, language) for finding in found], ensure_ascii=False, indent=2))
    else:
        print("\n".join(_lines(found, language)) or t("models.check_well", language, model=settings.model_path))
    return 4 if any(finding.severity == "stops" for finding in found) else 0


def document(finding: PreflightFinding, language: Language) -> dict[str, Any]:
    """Convert a finding to JSON; its fix is null if no setting of the engine helps."""
    fix = finding.fix
    return {
        "severity": finding.severity,
        "key": finding.key,
        "text": notice_text(finding.notice, language),
        "mend": None
        if fix is None
        else {"set": dict(fix.change), "remove": list(fix.remove), "model": fix.model, "engine": fix.engine},
    }


def _lines(found: tuple[PreflightFinding, ...], language: Language) -> list[str]:
    lines = []
    for finding in found:
        lines.append(f"{_MARKS[finding.severity]} {notice_text(finding.notice, language).removeprefix('❌ ')}")
        if finding.fix is not None:
            lines.append(f"   → {notice_text(finding.fix.notice, language)}")
    return lines


def _read(text: str) -> dict[str, Any]:
    """Parse any JSON object, since wrong settings in it become findings; raise ConfigError for anything else."""
    try:
        return config.load({"VLLM_CONFIG": text}, Path("/nowhere")).vllm_config
    except ConfigError as error:
        if error.key in ("vllm_config_not_json", "vllm_config_not_object"):
            raise
        return dict(json.loads(text))
