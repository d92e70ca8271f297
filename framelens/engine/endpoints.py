"""Endpoints of an engine apart from its chat: list of models, health, and metrics.

Of the metrics, in Prometheus's text format, only the requested names are read; other lines and invalid lines are
ignored.
"""

import json
import re
from collections.abc import Collection, Iterator

from framelens.engine.short_requests import NoAnswer, get_text


def served_models(models: object) -> dict[str, int | None]:
    """Parse the answer of /v1/models.

    Returns:
        Model name → max_model_len in tokens, None if not reported.

    Raises:
        NoAnswer: The answer has another shape.
    """
    try:
        entries = models if isinstance(models, list) else models["data"]  # type: ignore[index]  # Together lists them so
        return {str(entry["id"]): _positive(entry.get("max_model_len")) for entry in entries}
    except (TypeError, KeyError, AttributeError) as error:
        raise NoAnswer("the answer is not a list of models", 200, body=json.dumps(models)) from error


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def is_vllm(models: object) -> bool:
    """Return whether the answer of /v1/models is vLLM's."""
    entries = models.get("data") if isinstance(models, dict) else None
    return any(isinstance(entry, dict) and entry.get("owned_by") == "vllm" for entry in entries or ())


_LINE = re.compile(r"^(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?[ \t]+(?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


def metrics_url(base_url: str) -> str:
    """Return the address of the metrics of the engine at `base_url`, which ends in a version.

    >>> metrics_url("http://127.0.0.1:8000/v1")
    'http://127.0.0.1:8000/metrics'
    """
    return _root(base_url) + "/metrics"


def metrics_text(base_url: str, *, api_key: str = "", timeout_seconds: float = 5.0) -> str:
    """Get the metrics of the engine at `base_url`, as `get_text` does."""
    return get_text(metrics_url(base_url), api_key=api_key, timeout_seconds=timeout_seconds)


def health_url(base_url: str) -> str:
    """Return the address of vLLM's health check, as `metrics_url` returns the address of its metrics."""
    return _root(base_url) + "/health"


def _root(base_url: str) -> str:
    return re.sub(r"/v\d+\w*$", "", base_url)


def read_metrics(text: str, names: Collection[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Parse (name, labels, value) of each line whose name is among `names`, in their order."""
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None or match["name"] not in names:
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        labels = {name: _unescape(label) for name, label in _LABEL.findall(match["labels"] or "")}
        yield match["name"], labels, value


def _unescape(label: str) -> str:
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], label)
