"""Engines that FrameLens starts itself: vLLM and transformers as guarded child processes."""
