"""Asks the seeing test model through transformers itself: what an engine's answer is compared with.

Slow to import (torch), so it is imported only where that comparison or the evaluation is made.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration


class TinyReader:
    """A checkpoint folder of the Qwen2.5-VL architecture, loaded in its own number format on the CPU."""

    def __init__(self, folder: Path) -> None:
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype="auto").eval()

    def ask(self, system: str, content: Sequence[str | bytes]) -> str:
        """The greedy answer to a user's turn; each part is a text or the bytes of a picture file."""
        return self.reply(system, [content])

    def reply(self, system: str, turns: Sequence[Sequence[str | bytes]]) -> str:
        """The greedy answer to the last of these turns: the user's, the assistant's, the user's and so on."""
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}]
        for number, content in enumerate(turns):
            parts = [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in content]
            messages.append({"role": "assistant" if number % 2 else "user", "content": parts})
        text = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        pictures = [Image.open(io.BytesIO(part)) for content in turns for part in content if isinstance(part, bytes)]
        inputs = self.processor(text=[text], images=pictures or None, return_tensors="pt")
        with torch.inference_mode():
            tokens = self.model.generate(**inputs, max_new_tokens=64, do_sample=False)
        return self.processor.tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
