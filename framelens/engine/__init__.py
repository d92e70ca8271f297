"""Inference engines: local servers that FrameLens starts, and remote ones, behind the OpenAI chat completions API.

Other packages import from here, not from the modules behind it. No module here imports torch, vllm or transformers:
those run in child processes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
