"""Patched `transformers serve`: it asks for a key, takes pictures as data alone, and loads no pickles.

It also converts images to the dtype of the weights.

`python -P transformers_dtype_patch.py ARGUMENT…` otherwise behaves like `transformers ARGUMENT…`. The server passes
images in float32, whatever dtype the model uses. Most models convert them; SAM does not (transformers 5.19), so a
DeepSeek-VL 7B in bfloat16 would fail on its first image: "Input type (float) and bias type (c10::BFloat16) should be
the same". Engines read weights from safetensors; `torch.load`, which reads pickles, is refused unless
FRAMELENS_ALLOW_PICKLE is "on". Like `process_supervisor.py`, it is a program for a child process; of FrameLens it
imports the guard alone.
"""

import os
import runpy
from importlib import import_module
from typing import Any


def _patch_convolutions() -> None:
    """Convert the input of convolutions, which embed an image's patches, to the dtype of their weights."""
    convolution = import_module("torch.nn").Conv2d
    original_forward = convolution.forward

    def forward(self: Any, images: Any) -> Any:
        return original_forward(self, images.to(self.weight.dtype))

    convolution.forward = forward


def _refuse_pickles() -> None:
    """Let `torch.load` fail: an engine that was given safetensors has nothing to load with it."""

    def load(*_: Any, **__: Any) -> None:
        raise RuntimeError("weights in a pickle are refused (FRAMELENS_ALLOW_PICKLE is off)")

    import_module("torch").load = load  # type: ignore[attr-defined]


def _take_data_alone() -> None:
    """Refuse pictures, videos and sound that aren't data: the server would fetch addresses and open files by path."""
    handler = import_module("transformers.cli.serving.utils").BaseHandler
    refused = import_module("fastapi").HTTPException
    original = handler.get_processor_inputs_from_messages

    def inputs(*args: Any, **values: Any) -> Any:
        messages = original(*args, **values)
        parts = (part for message in messages if isinstance(message["content"], list) for part in message["content"])
        if not all(str(part["url"]).startswith("data:") for part in parts if "url" in part):
            raise refused(400, "pictures, videos and sound must be data (data:image/jpeg;base64,...)")
        return messages

    handler.get_processor_inputs_from_messages = staticmethod(inputs)


def _ask_for_key() -> None:
    """Put the guard before the application that uvicorn is given."""
    guard = import_module("framelens.engine.local.engine_guard").Guard
    config = import_module("uvicorn").Config
    original_init = config.__init__

    def init(self: Any, app: Any, *args: Any, **values: Any) -> None:
        original_init(self, guard(app), *args, **values)

    config.__init__ = init


if __name__ == "__main__":
    _ask_for_key()
    _take_data_alone()
    if os.environ.get("FRAMELENS_ALLOW_PICKLE") != "on":
        _refuse_pickles()
    _patch_convolutions()
    runpy.run_module("transformers.cli.transformers", run_name="__main__", alter_sys=True)
