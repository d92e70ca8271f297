"""Build a Whisper in miniature whose answer is known beforehand: the same three words to any sound.

The architecture, the tokenizer's marks and the files are Whisper's own, so a real engine loads it like any other. The
decoder's position embeddings outweigh all the rest, which is random: a word depends on its place alone. It proves
times and plumbing; it understands nothing.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.models.whisper.tokenization_whisper import LANGUAGES

WIDTH, HEADS, HEARD_POSITIONS, SPOKEN_POSITIONS, SEED = 64, 2, 1500, 448, 20
END, START, SILENT_TIMES = "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"
SAID = (("one", 0.0, 1.2), ("two", 1.2, 2.5), ("three", 4.0, 6.0))
"""(text, start, end) in seconds of the words that it hears in every recording."""
_PROMPT = 4  # start, language, task, time or no time: what an engine puts before the answer
_STEPS_A_SECOND = 50


def mark(seconds: float) -> str:
    """Return the token of a time."""
    return f"<|{seconds:.2f}|>"


def save_speech_model(folder: Path) -> None:
    """Write the checkpoint into `folder`; the same files every time."""
    _save(folder, ["<|en|>", *[END] * (_PROMPT - 2), *_spoken()[1:]])  # the first time is the prompt's own last token


def save_for_ctranslate2(folder: Path) -> None:
    """Write a model with the same answer into `folder` as faster-whisper reads it.

    With so few words CTranslate2 takes the model for an English-only model, whose prompt is the start alone.
    """
    from ctranslate2.converters import TransformersConverter

    with TemporaryDirectory() as checkpoint:
        _save(Path(checkpoint), _spoken())
        TransformersConverter(checkpoint, copy_files=["tokenizer.json"]).convert(str(folder), quantization="int8")


def _save(folder: Path, answer: list[str]) -> None:
    """Write a checkpoint; `answer` has the successor of each position of the prompt and of the answer."""
    tokenizer = _tokenizer()
    model = _model(tokenizer, [*answer, END])
    model.to(torch.bfloat16).save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)


def _tokenizer() -> WhisperTokenizer:
    letters = sorted(ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*letters, *(f"\u0120{word}" for word, _, _ in SAID)])}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[])
    tasks = ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", SILENT_TIMES]
    tokenizer.add_tokens([END, START, *(f"<|{code}|>" for code in LANGUAGES), *tasks], special_tokens=True)
    tokenizer.add_tokens([mark(step / _STEPS_A_SECOND) for step in range(HEARD_POSITIONS + 1)])
    return tokenizer


def _model(tokenizer: WhisperTokenizer, tokens: list[str]) -> WhisperForConditionalGeneration:
    torch.manual_seed(SEED)
    number = tokenizer.convert_tokens_to_ids
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=2 * WIDTH,
        decoder_ffn_dim=2 * WIDTH,
        max_source_positions=HEARD_POSITIONS,
        max_target_positions=SPOKEN_POSITIONS,
        bos_token_id=number(END),
        eos_token_id=number(END),
        pad_token_id=number(END),
        decoder_start_token_id=number(START),
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config.max_length = SPOKEN_POSITIONS
    with torch.no_grad():
        words = torch.nn.functional.normalize(torch.randn(len(tokenizer), WIDTH))
        model.model.decoder.embed_tokens.weight.copy_(words)
        answer = [number(token) for token in tokens]
        answer += [number(END)] * (SPOKEN_POSITIONS - len(answer))
        model.model.decoder.embed_positions.weight.copy_(20 * words[answer])
    return model


def _spoken() -> list[str]:
    return [token for word, start, end in SAID for token in (mark(start), f"\u0120{word}", mark(end))]
