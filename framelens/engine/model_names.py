"""Model names as users write them: the folder or hub id they mean, or the error that explains the name.

Every command and the page resolve the model of the settings here, so a name that no hub has is explained before a
download is offered.
"""

from pathlib import Path

from framelens.core.errors import ModelNotFound
from framelens.engine.model_resolution import ModelReference, resolve_model
from framelens.models.catalogue import Catalogue, Match, is_ollama_name

_OF_OLLAMA = ("model_is_ollama", "model_named_by_ollama")


def resolve_named_model(name: str, data_dir: Path) -> ModelReference:
    """Resolve `name` to a model on this machine or a hub id that may exist. No network is used.

    Args:
        name: A folder, a hub id, or a name of another program's.
        data_dir: The data folder, whose `models` folder extends the catalogue.

    Raises:
        ModelNotFound: The folder is missing, or no hub has such a name; the error names the model that is meant.
    """
    try:
        reference = resolve_model(name)
    except ModelNotFound as error:
        raise _explain(name, data_dir) or error from error
    if reference.folder is None and (explained := _explain(name, data_dir)) is not None:
        raise explained
    return reference


def explain_folder(name: str, data_dir: Path) -> ModelNotFound | None:
    """Return the error for a name or folder of Ollama's, which no engine can load; None for any other name."""
    explained = _explain(name, data_dir)
    return explained if explained and explained.key in _OF_OLLAMA else None


def _explain(name: str, data_dir: Path) -> ModelNotFound | None:
    """Return why `name` can't be on a hub; None if it may be on a hub, or is a path that doesn't exist."""
    owner, slash, _ = name.partition("/")
    try:
        match = Catalogue.load(data_dir / "models").find(name)
    except ModelNotFound as error:
        nearest = str(error.values.get("nearest", ""))
        if error.key == "model_is_ollama":
            return error
        if is_ollama_name(name):
            return ModelNotFound("model_unknown_of_ollama", model=name)
        if slash or not name or "\\" in name or name.startswith((".", "~")):
            return None
        return ModelNotFound("model_owner_missing" if nearest else "model_owner_unknown", model=name, nearest=nearest)
    if match.why in ("ollama", "ollama_folder") and not Path(name).is_file():
        return ModelNotFound("model_named_by_ollama", model=name, id=match.entry.id)
    if match.why == "short" and not slash:
        return ModelNotFound("model_owner_missing", model=name, nearest=match.entry.id)
    if match.why == "misnamed" and (not slash or owner in _owners(match)):
        return ModelNotFound("model_misnamed", model=name, nearest=_ids(match))
    return None


def _owners(match: Match) -> set[str]:
    return {entry.id.partition("/")[0] for entry in (match.entry, *match.others)}


def _ids(match: Match) -> str:
    return ", ".join(entry.id for entry in (match.entry, *match.others))
