"""Models without their weights, which vLLM makes up (`load_format` dummy): times and memory are real, answers noise."""

from pathlib import Path

from huggingface_hub import snapshot_download

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.gguf")
DUMMY = {"load_format": "dummy"}


def shape_folder(model: str) -> Path:
    """Return the folder of a model of the hub without its weights, some megabytes, which are downloaded once."""
    return Path(snapshot_download(model, ignore_patterns=list(_WEIGHTS)))
