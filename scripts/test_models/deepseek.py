"""Build DeepSeek-VL in miniature, in either of transformers' two classes, from random weights and without a download.

The plain model sees through SigLIP, as the 1.3B does; the hybrid model has SAM as well, as the 7B does. Both speak in
lower-case letters that mean nothing, until they are stopped, and say other letters to other pictures. Files, special
tokens and the layout of a conversation match the published checkpoints, so an engine loads them alike.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Literal, get_args

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    DeepseekVLConfig,
    DeepseekVLForConditionalGeneration,
    DeepseekVLHybridConfig,
    DeepseekVLHybridForConditionalGeneration,
    DeepseekVLHybridImageProcessor,
    DeepseekVLHybridProcessor,
    DeepseekVLImageProcessor,
    DeepseekVLProcessor,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    ProcessorMixin,
)

Kind = Literal["plain", "hybrid"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BEGIN, END, PICTURE = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<image_placeholder>"
POSITIONS, SEED = 16384, 20
SIDE, HIGH_SIDE, PATCH = 64, 128, 16  # pixels
PICTURE_TOKENS = (SIDE // PATCH) ** 2
_TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2}
_SEEING = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": PATCH}
_SPREAD = 0.5  # wide enough for pictures to change the answer, in bfloat16, too
# "User: …", an empty line, "Assistant: …"; the instructions come first and without a name.
CHAT_TEMPLATE = """\
{{- bos_token }}
{%- for message in messages %}
  {%- if message['role'] != 'system' %}{{ message['role'] | capitalize }}: {% endif %}
  {%- if message['content'] is string %}{{ message['content'] }}
  {%- else %}
    {%- for part in message['content'] %}{{ part['text'] if part['type'] == 'text' else '<image_placeholder>' }}
    {%- endfor %}
  {%- endif %}
  {{- eos_token if message['role'] == 'assistant' else '\\n\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}Assistant:{% endif %}"""


def save_deepseek(folder: Path, kind: Kind) -> None:
    """Write the checkpoint into `folder`, with weights in bfloat16 like the published weights."""
    tokenizer = _tokenizer()
    torch.manual_seed(SEED)
    model = _plain(tokenizer) if kind == "plain" else _hybrid(tokenizer)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.normal_(0.0, _SPREAD)
        _let_it_say(model, tokenizer, string.ascii_lowercase)
    model.generation_config.update(do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=0)
    model.to(torch.bfloat16).save_pretrained(folder)
    _processor(tokenizer, kind).save_pretrained(folder)


def _tokenizer() -> PreTrainedTokenizerFast:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=END,
        extra_special_tokens={"image_token": PICTURE},
        model_max_length=POSITIONS,
    )


def _plain(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return DeepseekVLForConditionalGeneration(DeepseekVLConfig(**_shared(tokenizer)))


def _hybrid(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    high = {**_SEEING, "image_size": HIGH_SIDE, "mlp_dim": 64, "output_channels": 8, "window_size": 0}
    config = DeepseekVLHybridConfig(
        high_res_vision_config={**high, "global_attn_indexes": [0], "num_pos_feats": 16}, **_shared(tokenizer)
    )
    return DeepseekVLHybridForConditionalGeneration(config)


def _shared(tokenizer: PreTrainedTokenizerFast) -> dict[str, object]:
    text = {**_TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": POSITIONS, "tie_word_embeddings": False}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return {
        "text_config": {**text, **ends},
        "vision_config": {**_SEEING, "intermediate_size": 64, "image_size": SIDE},
        "image_token_id": tokenizer.convert_tokens_to_ids(PICTURE),
        "tie_word_embeddings": False,
    }


def _let_it_say(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, letters: str) -> None:
    """Give every other token, the end included, a logit of zero."""
    said = torch.tensor(tokenizer.convert_tokens_to_ids(list(letters)))
    kept = model.lm_head.weight[said].clone()
    model.lm_head.weight.zero_()
    model.lm_head.weight[said] = kept


def _processor(tokenizer: PreTrainedTokenizerFast, kind: Kind) -> ProcessorMixin:
    small, large = {"height": SIDE, "width": SIDE}, {"height": HIGH_SIDE, "width": HIGH_SIDE}
    more = {"chat_template": CHAT_TEMPLATE, "num_image_tokens": PICTURE_TOKENS}
    if kind == "plain":
        return DeepseekVLProcessor(DeepseekVLImageProcessor(size=small), tokenizer, **more)
    return DeepseekVLHybridProcessor(DeepseekVLHybridImageProcessor(size=small, high_res_size=large), tokenizer, **more)
