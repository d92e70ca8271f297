"""Patched `transformers serve` that converts images to the dtype of the weights that process them.

`python -P transformers_dtype_patch.py ARGUMENT…` otherwise behaves like `transformers ARGUMENT…`. The server passes
images in float32, whatever dtype the model uses. Most models convert them; SAM does not (transformers 5.19), so a
DeepSeek-VL 7B in bfloat16 would fail on its first image: "Input type (float) and bias type (c10::BFloat16) should be
the same". Like `process_supervisor.py`, it is a program for a child process and imports nothing of FrameLens.
"""

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


if __name__ == "__main__":
    _patch_convolutions()
    runpy.run_module("transformers.cli.transformers", run_name="__main__", alter_sys=True)
