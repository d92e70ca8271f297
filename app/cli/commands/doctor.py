"""Command `framelens doctor`: reports problems of this installation with remedies, and the facts for a bug report.

It works even with wrong settings, without an engine or a writable folder. It changes nothing, and starts only the check
of the decoder's sandbox; keys and passwords are masked. The exit code is 4 if a finding keeps FrameLens from working.
"""

import argparse
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from app import config
from app.cli.common import use_language
from app.core import AppError, ConfigError, Notice, gib_text, human_size, redact, redact_setting
from app.engine import CheckedSettings, SystemFacts, gather_facts, run_checks
from app.i18n import LANGUAGES, notice_text, t
from app.services import export_environment
from app.services.preflight import preflight
from app.video import SandboxReport, check_sandbox

_MARKS = {"error": "❌", "warning": "⚠️ ", "info": "✅"}
# Findings of the preflight, and the equivalent findings about the machine.
_SAME = {
    "bfloat16_unsupported": "doctor_card_no_bfloat16",
    "cards_too_few": "doctor_cards_too_few",
    "model_offline": "doctor_offline",
}
# The whole memory estimate replaces the finding about weights only, as in `models check` and `models show`.
_SUMS, _WEIGHTS = ("preflight_memory_short", "preflight_memory_busy"), "doctor_memory_small"
_MECHANISMS = {"landlock": "Landlock", "bubblewrap": "bubblewrap", "seccomp": "seccomp", "limits": "rlimit"}
# Variables that affect FrameLens, the hub's client, vLLM and their libraries.
_RELEVANT = (
    *("FRAMELENS_", "VLLM_", "HF_", "HUGGING_FACE_", "CUDA_", "NVIDIA_", "NCCL_", "GLOO_", "RAY_", "OMP_", "TORCH_"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_", "LD_", "LANG", "LC_", "PYTHON", "VIRTUAL_ENV"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--json", action="store_true", help=t("cli.doctor_json"))
    parser.add_argument("--language", choices=LANGUAGES, help=t("cli.language"))


def run(given: argparse.Namespace) -> int:
    """Examine this machine, print the findings and return the exit code."""
    settings, values, fault = _settings()
    use_language(given, settings)
    export_environment(settings)
    wanted = CheckedSettings(
        model=settings.model_path if settings.model_chosen or not settings.base_url else "",
        data_dir=settings.data_dir,
        base_url=settings.base_url,
        api_key=settings.api_key,
        engine=settings.engine,
        port=settings.engine_port,
        vllm_config=settings.vllm_config,
        fault=fault,
        allow_pickle=settings.allow_pickle,
    )
    facts = gather_facts(wanted)
    sandbox = check_sandbox()
    findings = _sorted((*run_checks(facts, wanted), sandbox_finding(sandbox)))
    if fault is None:
        findings = _add_preflight(findings, settings)
    relevant = sorted(item for item in values.items() if item[0].upper().startswith(_RELEVANT))
    shown = {name: redact_setting(name, value) for name, value in relevant}
    if given.json:
        print(json.dumps(_document(facts, findings, settings, shown), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_lines(facts, findings, settings, shown)))
    return 4 if any(finding.level == "error" for finding in findings) else 0


def _add_preflight(findings: tuple[Notice, ...], settings: config.Settings) -> tuple[Notice, ...]:
    """Add the preflight findings that stop or hinder a start, unless an equivalent one exists."""
    said = {finding.key for finding in findings}
    more = (one.notice for one in preflight(settings) if one.severity != "tells")
    new = [one for one in more if not {one.key, _SAME.get(one.key)} & said]
    if _WEIGHTS in said and any(one.key in _SUMS for one in new):
        findings = tuple(one for one in findings if one.key != _WEIGHTS)
        new = [dataclasses.replace(one, level="error") if one.key in _SUMS else one for one in new]
    return _sorted((*findings, *new))


def _sorted(findings: Iterable[Notice]) -> tuple[Notice, ...]:
    return tuple(sorted(findings, key=lambda finding: list(_MARKS).index(finding.level)))


def sandbox_finding(report: SandboxReport) -> Notice:
    """Return what confines the decoder on this machine, as the check of its sandbox found by trying."""
    names = ", ".join(_MECHANISMS[one] for one in report.mechanisms if one in _MECHANISMS)
    if report.is_closed:
        return Notice("doctor_sandbox", {"mechanisms": names}, "info")
    if not report.mechanisms:
        return Notice("doctor_sandbox_unchecked", {}, "warning")
    left = ", ".join(t(f"cli.sandbox_{name}") for name in report.open)
    return Notice("doctor_sandbox_open", {"open": left, "mechanisms": names or "-"}, "warning")


def _settings() -> tuple[config.Settings, Mapping[str, str], AppError | None]:
    """Return the settings with their raw values and error.

    If one is wrong, these are the defaults with the named model and data folder.
    """
    values: Mapping[str, str] = os.environ
    try:
        values = config.as_given()
        return config.load(), values, None
    except AppError as error:
        fault: AppError = error
    except (OSError, UnicodeDecodeError) as error:
        fault = ConfigError("dotenv_unreadable", reason=str(error))
    named = {name: values[name] for name in ("VLLM_MODEL_PATH", "FRAMELENS_DATA_DIR") if name in values}
    return config.load(named, dotenv=Path(os.devnull)), values, fault


def _effective_settings(settings: config.Settings) -> Iterator[tuple[str, str]]:
    """List the effective settings with secrets masked; values for other programs are among the variables."""
    for field in dataclasses.fields(settings):
        if field.name == "passed_on":
            continue
        value = getattr(settings, field.name)
        text = "" if value is None else json.dumps(value) if isinstance(value, dict) else str(value)
        if isinstance(value, tuple):
            text = os.pathsep.join(map(str, value))
        yield field.name, redact_setting(field.name, text)


def _lines(
    facts: SystemFacts, findings: tuple[Notice, ...], settings: config.Settings, shown: Mapping[str, str]
) -> Iterator[str]:
    for finding in findings:
        text = redact(notice_text(finding)).removeprefix("❌ ")
        yield f"{_MARKS[finding.level]} {text}"
    sections = {
        "machine": _machine(facts),
        "packages": ((name, version) for name, version in facts.packages.items() if version),
        "settings": ((name, value) for name, value in _effective_settings(settings) if value),
        "variables": shown.items(),
    }
    for name, rows in sections.items():
        yield from ("", t(f"cli.doctor_{name}"))
        yield from (f"  {label}: {value}" for label, value in rows)
    yield from ("", t("cli.doctor_log"))
    yield from _log(facts)


def _machine(facts: SystemFacts) -> Iterator[tuple[str, str]]:
    yield "FrameLens", facts.framelens
    yield "system", facts.system
    yield "Python", ".".join(map(str, facts.python))
    yield "CPU", f"{facts.cpu} × {facts.cpu_count} ({' '.join(facts.cpu_features) or '-'})"
    yield "memory", f"{_gib(facts.memory_free_bytes)} free of {_gib(facts.memory_bytes)}"
    yield "/dev/shm", f"{_gib(facts.shm_bytes)} free"
    for card in facts.cards:
        capability = ".".join(map(str, card.capability)) if card.capability else "?"
        memory = f"{_gib(card.memory_used_bytes)} used of {_gib(card.memory_bytes)}"
        yield "GPU", f"{card.name}, compute capability {capability}, {memory}"
    yield "NVIDIA driver", facts.driver or f"- ({facts.no_cards or ''} {facts.no_cards_detail})"
    yield "ffmpeg", facts.ffmpeg or "- (the one inside PyAV is used)"
    yield "data folder", f"{facts.data.folder}, {_disk(facts.data.free_bytes)} free"
    yield "hub's cache", f"{facts.cache.folder}, {_disk(facts.cache.free_bytes)} free"


def _gib(size: int | None) -> str:
    return "?" if size is None else gib_text(size)


def _disk(size: int | None) -> str:
    """Format disk sizes and downloads in powers of 1000, like the findings and the hub."""
    return "?" if size is None else human_size(size)


def _log(facts: SystemFacts) -> Iterator[str]:
    if facts.log is None:
        yield f"  {t('cli.doctor_no_log')}"
        return
    yield f"  {facts.log.path}"
    yield from (f"  {line}" for line in facts.log.last_lines)


def _document(
    facts: SystemFacts, findings: tuple[Notice, ...], settings: config.Settings, shown: Mapping[str, str]
) -> dict[str, object]:
    items = [{"level": finding.level, "key": finding.key, "text": redact(notice_text(finding))} for finding in findings]
    return {
        "findings": items,
        "facts": _to_json(facts),
        "settings": dict(_effective_settings(settings)),
        "variables": dict(shown),
    }


def _to_json(value: object) -> object:
    """Convert `value` to JSON types; an error becomes its key, a text loses its secrets."""
    if dataclasses.is_dataclass(value):
        return {field.name: _to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    match value:
        case dict():
            return {str(name): _to_json(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_to_json(inner) for inner in value]
        case AppError():
            return value.key
        case str():
            return redact(value)
    return value
