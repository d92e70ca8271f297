"""Launcher for `transformers serve`, the engine for models that vLLM doesn't support.

The server is pinned to a single model, which requests must name by its folder. It has no API key of its own, but is
behind the guard (`engine_guard.py`). It silently drops images sent to text-only models, which
`framelens.llm.text_fallback` detects.
"""

import functools
import json
import re
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from framelens.core.domain import EngineInfo
from framelens.core.errors import EngineError
from framelens.core.events import EngineProgress
from framelens.engine.base import Endpoint, Launcher
from framelens.engine.downloads.hub import fetch_model
from framelens.engine.local.engine_guard import KEY_VARIABLE
from framelens.engine.model_resolution import model_name

_PROGRAM = Path(__file__).with_name("transformers_dtype_patch.py")
_ENVIRONMENT = {
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
    "PYTHONUNBUFFERED": "1",
}
_LOADING = re.compile(r"Loading (?:weights|checkpoint shards):.*?\| (\d+)/(\d+) \[")


def transformers_launcher(model: str, *, dtype: str = "auto", allow_pickle: bool = False) -> Launcher:
    """Build the launcher of a `transformers serve`.

    Args:
        model: A reference as for `resolve_model`.
        dtype: As for `transformers serve`.
        allow_pickle: Whether weights may be loaded from pickles, which can run any code.

    Raises:
        EngineError: transformers or accelerate is not installed.
    """
    if missing := [name for name in ("transformers", "accelerate") if find_spec(name) is None]:
        raise EngineError("transformers_not_installed", model=model, missing=", ".join(missing))
    return Launcher(
        kind="transformers",
        model=model_name(model),
        fetch=functools.partial(fetch_model, model, allow_pickle=allow_pickle),
        command=functools.partial(_command, dtype),
        environment=lambda api_key: {
            **_ENVIRONMENT,
            KEY_VARIABLE: api_key,
            "FRAMELENS_ALLOW_PICKLE": "on" if allow_pickle else "off",
        },
        served_name=str,
        describe=functools.partial(describe, model_name(model)),
        read_phase=read_phase,
    )


def _command(dtype: str, folder: Path, port: int) -> list[str]:
    program = [sys.executable, "-P", str(_PROGRAM), "serve", str(folder)]
    return [*program, "--host", "127.0.0.1", "--port", str(port), "--dtype", dtype]


def describe(name: str, endpoint: Endpoint, folder: Path) -> EngineInfo:
    """Describe the engine from the model's config.json: the server's own list is the whole cache of the hub."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    lengths = (part.get("max_position_embeddings") for part in (config, config.get("text_config") or {}))
    length = next((length for length in lengths if isinstance(length, int)), None)
    return EngineInfo("transformers", name, endpoint.base_url, metadata.version("transformers"), length)


def read_phase(line: str) -> EngineProgress | None:
    """Return the start phase that a line of the server's log reports, or None."""
    if (loading := _LOADING.search(line)) is not None:
        return EngineProgress("loading", {"done": int(loading[1]), "total": int(loading[2])})
    if line.startswith("$ "):
        return EngineProgress("importing")
    return EngineProgress("answering") if "Started server process" in line else None
