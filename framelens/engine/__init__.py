"""Inference engines: local servers that FrameLens starts, and remote servers, behind the OpenAI chat completions API.

Other packages import from here, not from the modules behind it. No module here imports torch, vllm or transformers:
those run in child processes.
"""
