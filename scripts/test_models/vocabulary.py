"""Make the tokenizer: byte-level BPE over the sentences of prompts.py, with Qwen's special tokens and turn layout.

Each list number ("3:"), the separator ("; ") and each colour with its space is one token, so an answer costs three
tokens a frame. A Chinese character never merges with its neighbour. Common characters are one token, others two or
three.
"""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from test_models.cards import NAMES
from test_models.prompts import CHINESE, ENGLISH, FILLER, HAN, MARKS
from test_models.votes import ANSWERS, CHINESE_NAMES

MAX_POSITIONS = 8192
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
FRAME_START, FRAME_END, FRAME_CELL, VIDEO_CELL = "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"
FIRST_ROLE = "system"  # one token, so that it marks the beginning of a conversation
SPECIAL = [END_OF_TEXT, TURN_START, TURN_END, FRAME_START, FRAME_END, "<|vision_pad|>", FRAME_CELL, VIDEO_CELL]
PIECES = (
    r"; |\p{N}:|\p{Han}| ?[\p{L}&&[^\p{Han}]]+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # what BPE never merges across
)
# Qwen2.5-VL's layout of a conversation: turns between markers, one cell a picture (the processor multiplies it).
CHAT_TEMPLATE = """\
{%- macro turn(role, text) %}<|im_start|>{{ role }}
{{ text }}<|im_end|>
{% endmacro %}
{%- if messages[0]['role'] != 'system' %}{{ turn('system', 'You are a helpful assistant.') }}{% endif %}
{%- for message in messages %}
  {%- if message['content'] is string %}{{ turn(message['role'], message['content']) }}
  {%- else %}
    {%- set parts = namespace(text='') %}
    {%- for content in message['content'] %}
      {%- if content['type'] in ('image', 'image_url') %}
        {%- set parts.text = parts.text + '<|vision_start|><|image_pad|><|vision_end|>' %}
      {%- elif content['type'] == 'video' %}
        {%- set parts.text = parts.text + '<|vision_start|><|video_pad|><|vision_end|>' %}
      {%- elif content['type'] == 'text' %}
        {%- set parts.text = parts.text + content['text'] %}
      {%- endif %}
    {%- endfor %}
    {{- turn(message['role'], parts.text) }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def build(size: int = 1792) -> PreTrainedTokenizerFast:
    """Build a tokenizer of at most `size` entries, ready to be saved beside a checkpoint."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size - len(SPECIAL), show_progress=False, initial_alphabet=alphabet)
    atoms = " ".join(["", *NAMES, "no", "yes", "absent", "images; "]) + "".join(f"{digit}:" for digit in range(10))
    atoms += "".join(f";{word}" for word in (FIRST_ROLE, *ANSWERS, *CHINESE_NAMES.values()))
    bpe.train_from_iterator([*ENGLISH, " ".join(FILLER), *MARKS, *[*CHINESE, HAN] * 3, *[atoms] * 200], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=SPECIAL,
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    single = ["; ", FIRST_ROLE, *ANSWERS, *CHINESE_NAMES.values()]
    for atom in [*single, *(f" {name}" for name in NAMES), *(f"{digit}:" for digit in range(10))]:
        if len(tokenizer.encode(atom, add_special_tokens=False)) != 1:
            raise RuntimeError(f"{atom!r} is not one token; the answer's layout and the guides rely on it")
    return tokenizer
