"""Runs `transformers serve` with pictures in the number type of the weights that look at them.

`python -P transformers_dtype_patch.py ARGUMENT…` is `transformers ARGUMENT…` but for that. The server hands pictures
over in float32, whatever the model computes in. Most models convert them; SAM does not (transformers 5.19), so that a
DeepSeek-VL 7B in bfloat16 would fail over its first picture: "Input type (float) and bias type (c10::BFloat16) should
be the same". This is a program for a child process, as `process_supervisor.py` is, and imports nothing of FrameLens.
"""

from __future__ import annotations

import runpy
from importlib import import_module
from typing import Any


def _match_in_convolutions() -> None:
    """Patches of pictures are read by convolutions; what is of their type already stays as it is."""
    convolution = import_module("torch.nn").Conv2d
    plain = convolution.forward

    def forward(self: Any, pictures: Any) -> Any:
        return plain(self, pictures.to(self.weight.dtype))

    convolution.forward = forward


if __name__ == "__main__":
    _match_in_convolutions()
    runpy.run_module("transformers.cli.transformers", run_name="__main__", alter_sys=True)
