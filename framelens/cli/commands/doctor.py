"""Command `framelens doctor`: reports problems of this installation with remedies, and the facts for a bug report.

It works even with wrong settings, without an engine or a writable folder. It changes nothing, and starts only the check
of the decoder's sandbox; keys and passwords are masked. The exit code is 4 if a finding keeps FrameLens from working.
"""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from framelens import config, registry
from framelens.cli.common import finding_lines, finding_text, print_json, use_language
from framelens.cli.grammar import Options, command, flag
from framelens.cli.plugin_list import list_plugins
from framelens.config import export_environment
from framelens.core.errors import AppError
from framelens.core.redaction import redact, redact_setting
from framelens.core.spelling import closest
from framelens.core.units import gib_text, human_size
from framelens.engine.check_findings import CheckFinding
from framelens.engine.diagnostics.checks import doctor_finding, run_checks
from framelens.engine.diagnostics.facts import SystemFacts, gather_facts
from framelens.engine.local.launch_checks import launch_checks
from framelens.engine.running_engines import running_engines
from framelens.i18n import labelled, t
from framelens.jobs.readiness import model_offers, with_recommended
from framelens.video.sandbox_check import SandboxReport, check_sandbox

# The whole memory estimate replaces the finding about weights only, as in `models check` and `models show`.
_SUMS, _WEIGHTS = ("preflight_memory_short", "preflight_memory_busy"), "doctor_memory_small"
_REPLACED = (_WEIGHTS, "doctor_model_absent", "doctor_settings")
_PREFIX = "FRAMELENS_"
_MECHANISMS = {"landlock": "Landlock", "seccomp": "seccomp", "limits": "rlimit"}
_OWN_FIELDS = (
    *("base_url", "api_key", "engine", "language", "data_dir", "input_dirs", "answer_tokens", "timeout_seconds"),
    *("frame_side", "frames_as", "allow_pickle", "speech_api_key", "embedding_api_key", "serve_api_key"),
)
"""Settings that are variables of their own, with the name of the field."""
_READ_ELSEWHERE = ("FRAMELENS_HUB", "FRAMELENS_PLUGINS", "FRAMELENS_ENV_FILE", "FRAMELENS_EXTRA")
"""Variables that aren't among the settings."""
_LIKENESS = 0.8  # by hand: finds a slip of the pen, but no setting of another kind
# Variables that affect FrameLens, the hub's client, vLLM and their libraries.
_RELEVANT = (
    *("FRAMELENS_", "VLLM_", "HF_", "HUGGING_FACE_", "CUDA_", "NVIDIA_", "NCCL_", "GLOO_", "RAY_", "OMP_", "TORCH_"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_", "LD_", "LANG", "LC_", "PYTHON", "VIRTUAL_ENV"),
)


@command("doctor", help="cli.doctor_command")
@flag("--plugins", help="cli.doctor_plugins")
@flag("--json", help="cli.doctor_json")
def run(options: Options) -> int:
    """Examine this machine, or list the plugins, print what was found and return the exit code."""
    if options.plugins:
        return list_plugins(is_json=options.json)
    settings, values, fault = _settings()
    use_language(options, settings)
    export_environment(settings)
    checked = with_recommended(settings) if fault is None else settings
    facts = gather_facts(checked, fault)
    unknown = (doctor_finding("plugins_unknown", "hinders", name=name) for name in registry.unknown_names())
    findings = CheckFinding.worst_first(
        (
            *run_checks(facts, checked),
            sandbox_finding(check_sandbox()),
            *unknown,
            *_unknown_variables(values, settings),
            *_running_engines(settings),
            *_of_plugins(settings),
        )
    )
    if fault is None:
        findings = _add_preflight(findings, checked)
    relevant = sorted(item for item in values.items() if item[0].upper().startswith(_RELEVANT))
    shown = {name: redact_setting(name, value) for name, value in relevant}
    path, choice = config.page_choice() if fault is None else (settings.data_dir, {})
    chosen = {name: shown.pop(name) for name in choice if name in shown}
    if options.json:
        print_json(_document(facts, findings, settings, shown, chosen))
    else:
        sections = {"variables": shown, "chosen": chosen} if chosen else {"variables": shown}
        print("\n".join(_lines(facts, findings, settings, sections, path)))
    return 4 if any(finding.severity == "stops" for finding in findings) else 0


def _running_engines(settings: config.Settings) -> Iterator[CheckFinding]:
    """Yield the engines that run on this machine, where no engine is named."""
    for engine in () if settings.base_url else running_engines():
        models = ", ".join(model.name for model in engine.models)
        values = {"product": engine.product, "base_url": engine.base_url, "model": engine.models[0].name}
        yield doctor_finding("engine_running", "tells", models=models, **values)


def _unknown_variables(values: Mapping[str, str], settings: config.Settings) -> Iterator[CheckFinding]:
    """Yield the variables with our prefix that nothing reads."""
    names = {name.removeprefix(_PREFIX): name for name in (*_by_variable(settings), *_READ_ELSEWHERE)}
    for name in sorted(name for name in values if name.startswith(_PREFIX) and name not in names.values()):
        if nearest := closest(name.removeprefix(_PREFIX), names, likeness=_LIKENESS):
            yield doctor_finding("setting_misspelt", "hinders", name=name, nearest=names[nearest])
        else:
            yield doctor_finding("setting_unknown", "hinders", name=name)


def _of_plugins(settings: config.Settings) -> Iterator[CheckFinding]:
    """Yield the findings of plugins; a plugin that fails is a finding."""
    for checks in registry.functions("doctor.checks"):
        try:
            yield from checks(settings)
        except AppError as error:
            yield CheckFinding.of(error, "hinders")


def _add_preflight(findings: tuple[CheckFinding, ...], settings: config.Settings) -> tuple[CheckFinding, ...]:
    """Add the preflight's findings that stop or hinder a start."""
    keys = {finding.key for finding in findings}
    new = [
        finding
        for finding in launch_checks(settings).find(None)
        if finding.severity != "tells" and finding.key not in keys
    ]
    if any(finding.key in _SUMS for finding in new):
        if _WEIGHTS in keys:
            new = [
                dataclasses.replace(finding, severity="stops") if finding.key in _SUMS else finding for finding in new
            ]
        new += [
            doctor_finding("model_fits", "hinders", model=model_offer.model)
            for model_offer in model_offers(settings)[:1]
        ]
        findings = tuple(finding for finding in findings if finding.key not in _REPLACED)
    return CheckFinding.worst_first((*findings, *new))


def sandbox_finding(report: SandboxReport) -> CheckFinding:
    """Return the finding about the mechanisms that confine the decoder, from the check of its sandbox."""
    names = ", ".join(_MECHANISMS[mechanism] for mechanism in report.mechanisms if mechanism in _MECHANISMS)
    if report.is_closed:
        return doctor_finding("sandbox", "tells", mechanisms=names)
    if not report.mechanisms:
        return doctor_finding("sandbox_unchecked", "hinders")
    unprotected = ", ".join(t(f"cli.sandbox_{name}") for name in report.open)
    return doctor_finding("sandbox_open", "hinders", open=unprotected, mechanisms=names or "-")


def _settings() -> tuple[config.Settings, Mapping[str, str], AppError | None]:
    """Return the settings with their raw values and error.

    If a setting is wrong, the settings are the defaults with the named model and data folder.
    """
    values: Mapping[str, str] = os.environ
    try:
        values = config.as_given()
        return config.load(), values, None
    except AppError as error:
        fault = error
    changes = {name: values[name] for name in ("VLLM_MODEL_PATH", "FRAMELENS_DATA_DIR") if name in values}
    return config.load(changes, dotenv=Path(os.devnull)), values, fault


def _effective_settings(settings: config.Settings) -> Iterator[tuple[str, str]]:
    """List the effective settings by the names of their variables, as they would be set, with secrets masked.

    Settings for other programs are among the variables.
    """
    for name, value in _by_variable(settings).items():
        match value:
            case bool():
                text = "on" if value else "off"
            case float():
                text = f"{value:g}"
            case dict():
                parts = {part: inner for part, inner in value.items() if inner not in ("", (), {})}
                text = json.dumps(parts, ensure_ascii=False) if parts else ""
            case tuple():
                text = os.pathsep.join(map(str, value))
            case _:
                text = "" if value is None else str(value)
        yield name, redact_setting(name, text)


def _by_variable(settings: config.Settings) -> dict[str, object]:
    """Return the settings in the units of their variables."""
    return {
        "VLLM_MODEL_PATH": settings.model_path,
        "VLLM_CONFIG": settings.vllm_config,
        **{f"FRAMELENS_{name.upper()}": getattr(settings, name) for name in _OWN_FIELDS},
        "FRAMELENS_EMBEDDING": f"{settings.embedding_base_url} {settings.embedding_model}".strip(),
        "FRAMELENS_SEARCH_MODEL": settings.search_model_path,
        "FRAMELENS_FINDER": f"{settings.finder_base_url} {settings.finder_model}".strip(),
        "FRAMELENS_INSECURE": settings.access.insecure,
        **settings.objects,
    }


def _lines(
    facts: SystemFacts,
    findings: tuple[CheckFinding, ...],
    settings: config.Settings,
    extra: Mapping[str, Mapping[str, str]],
    path: Path,
) -> Iterator[str]:
    yield from finding_lines(findings, good="✅")
    sections = {
        "machine": _machine(facts),
        "packages": ((name, version) for name, version in facts.packages.items() if version),
        "settings": ((name, value) for name, value in _effective_settings(settings) if value),
        **{name: values.items() for name, values in extra.items()},
    }
    for name, rows in sections.items():
        yield from ("", t(f"cli.doctor_{name}", path=path))
        yield from (f"  {labelled(label, value)}" for label, value in rows)
    yield from ("", t("cli.doctor_log"))
    yield from _log(facts)


def _machine(facts: SystemFacts) -> Iterator[tuple[str, str]]:
    yield "FrameLens", facts.framelens
    yield _label("system"), facts.system
    yield "Python", ".".join(map(str, facts.python))
    yield "CPU", f"{facts.cpu} × {facts.cpu_count} ({' '.join(facts.cpu_features) or '-'})"
    yield (
        _label("memory"),
        _label("free_of", free=_gib(facts.memory_free_bytes), size=_gib(facts.memory_bytes)),
    )
    yield "/dev/shm", _label("free", free=_gib(facts.shm_bytes))
    for card in facts.cards:
        capability = ".".join(map(str, card.capability)) if card.capability else "?"
        memory = {"used": _gib(card.memory_used_bytes), "size": _gib(card.memory_bytes)}
        yield "GPU", _label("card", name=card.name, capability=capability, **memory)
    yield (
        _label("driver"),
        facts.driver or _label(facts.no_cards or "no_card", detail=facts.no_cards_detail),
    )
    yield "ffmpeg", facts.ffmpeg or _label("own_ffmpeg")
    for name, disk in (("data", facts.data), ("cache", facts.cache)):
        yield _label(name), _label("folder", folder=disk.folder, free=_disk(disk.free_bytes))


def _label(key: str, /, **values: object) -> str:
    return t(f"cli.machine.{key}", **values)


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
    facts: SystemFacts,
    findings: tuple[CheckFinding, ...],
    settings: config.Settings,
    shown: Mapping[str, str],
    chosen: Mapping[str, str],
) -> dict[str, object]:
    items = [{"level": finding.notice.level, "key": finding.key, "text": finding_text(finding)} for finding in findings]
    return {
        "findings": items,
        "facts": _to_json(facts),
        "settings": dict(_effective_settings(settings)),
        "variables": dict(shown),
        "chosen": dict(chosen),
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
