"""Inference engines: local servers that FrameLens starts, and remote servers, behind the OpenAI chat completions API.

Other packages import from here, not from the modules behind it. No module here imports torch, vllm or transformers:
those run in child processes.

What this room does not do:

- Engines that load a model inside the page's process.
- Machines of others: a cluster is planned and checked, not installed.
"""
