"""Downloaded models in the folders that the hubs' own tools keep, for Hugging Face and for ModelScope.

A model that is in either cache is used, whichever hub is chosen: that hub's cache is only looked at first.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from framelens.core.engines.model_hub import HubKind, ModelHub, chosen_hub
from framelens.core.files import typed_path

MASTER = "master"
"""Branch of ModelScope's repositories; its tools name the folder of a snapshot by it."""
_CACHED = re.compile(r"models--(.+)")
_DOT = "___"
"""Older tools of ModelScope write a dot of a name as this."""


def hub_cache_folder(hub: ModelHub | None = None) -> Path:
    """Return the folder where the tools of `hub`, by default the chosen hub, keep downloads."""
    return _hugging_face_cache() if (hub or chosen_hub()).kind == "huggingface" else _modelscope_cache()


def find_in_cache(hub_id: str, is_whole: Callable[[Path], bool], *, cache_dir: Path | None = None) -> Path | None:
    """Return the folder of a downloaded repository for which `is_whole` holds, or None.

    Args:
        hub_id: OWNER/NAME.
        is_whole: Checks a folder.
        cache_dir: A cache to look at instead of the environment's caches.
    """
    return next(filter(is_whole, _snapshots(hub_id, cache_dir)), None)


def modelscope_folder(cache: Path, hub_id: str) -> Path:
    """Return the folder into which ModelScope's tools download a repository."""
    return cache / "models" / hub_id.replace("/", "--") / "snapshots" / MASTER


def in_cache(folder: Path) -> tuple[str, Path] | None:
    """Return the hub id and the snapshot of a folder in a cache; None for a folder outside the caches."""
    return _in_hugging_face(folder) or _in_modelscope(folder)


def _hugging_face_cache() -> Path:
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(typed_path(cache))
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(typed_path(str(home))) / "hub"


def _modelscope_cache() -> Path:
    return Path(typed_path(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope"))


def _snapshots(hub_id: str, cache_dir: Path | None) -> Iterator[Path]:
    """List the folders that a repository may be in, those in the cache of the chosen hub first."""
    by_kind: dict[HubKind, Callable[[str, Path | None], Iterator[Path]]] = {
        "huggingface": _hugging_face_snapshots,
        "modelscope": _modelscope_snapshots,
    }
    first = chosen_hub().kind
    for kind in sorted(by_kind, key=lambda kind: kind != first):
        yield from by_kind[kind](hub_id, cache_dir)


def _hugging_face_snapshots(hub_id: str, cache_dir: Path | None) -> Iterator[Path]:
    snapshot = _snapshot((cache_dir or _hugging_face_cache()) / "--".join(["models", *hub_id.split("/")]))
    if snapshot is not None:
        yield snapshot


def _modelscope_snapshots(hub_id: str, cache_dir: Path | None) -> Iterator[Path]:
    """List a repository's folders of today's tools, then the folders of older tools."""
    base = cache_dir or _modelscope_cache()
    snapshot = _snapshot(modelscope_folder(base, hub_id).parents[1])
    if snapshot is not None:
        yield snapshot
    owner, _, name = hub_id.partition("/")
    for above in ("models", "hub/models", "hub", "."):
        for spelling in dict.fromkeys((name.replace(".", _DOT), name)):
            if name and (folder := base / above / owner / spelling).is_dir():
                yield folder


def _snapshot(repository: Path) -> Path | None:
    """Return the snapshot that `main` points to, or `master`, or the newest snapshot, or None."""
    try:
        main = repository / "snapshots" / (repository / "refs" / "main").read_text(encoding="utf-8").strip()
        if main.is_dir():
            return main
    except OSError:
        pass
    snapshots = [folder for folder in (repository / "snapshots").glob("*") if folder.is_dir()]
    return max(snapshots, key=lambda folder: (folder.name == MASTER, folder.stat().st_mtime), default=None)


def _in_hugging_face(folder: Path) -> tuple[str, Path] | None:
    for part in (folder, *folder.absolute().parents):
        if cached := _CACHED.fullmatch(part.name):
            above = part == folder or folder.name == "snapshots"
            return cached[1].replace("--", "/"), (_snapshot(part) or folder) if above else folder
    return None


def _in_modelscope(folder: Path) -> tuple[str, Path] | None:
    """Return the id and the snapshot of a folder in ModelScope's cache, in the form of today's or of older tools."""
    cache, absolute = _modelscope_cache().absolute(), folder.absolute()
    parts = list(absolute.relative_to(cache).parts) if absolute.is_relative_to(cache) else []
    while parts and parts[0] in ("hub", "models"):
        parts.pop(0)
    if parts and "--" in parts[0]:
        repository = next(folder for folder in (absolute, *absolute.parents) if folder.name == parts[0])
        return parts[0].replace("--", "/", 1), (_snapshot(repository) or folder) if len(parts) < 3 else folder
    return (f"{parts[0]}/{parts[1].replace(_DOT, '.')}", folder) if len(parts) > 1 else None
