"""Make a tiny Qwen2 that answers every request with the same lines: `--out FOLDER LINE…`, half a megabyte.

A real engine loads it like any other. Each line is a token whose successor is the next line: attention and layers add
nothing, so the last token alone decides. It proves requests and what becomes of answers; it understands nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

WIDTH, SEED, MAX_POSITIONS = 128, 21, 8192
TOKENIZER = Path(__file__).resolve().parents[1] / "tests" / "fixtures" / "tiny-text"


def save_writing_model(folder: Path, lines: Sequence[str]) -> None:
    """Write the checkpoint into `folder`; the same files every time."""
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    answer = [f"{line}\n" for line in lines]
    tokenizer.add_tokens(answer)
    begin = tokenizer.encode("\n", add_special_tokens=False)[-1]  # what every request ends with
    chain = [begin, *tokenizer.convert_tokens_to_ids(answer), tokenizer.eos_token_id]
    torch.manual_seed(SEED)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=MAX_POSITIONS,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    layer = model.model.layers[0]
    with torch.no_grad():
        for weights in (layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight, model.lm_head.weight):
            weights.zero_()
        words = torch.nn.functional.normalize(torch.randn(len(tokenizer), WIDTH))
        model.model.embed_tokens.weight.copy_(words)
        for token, following in pairwise(chain):
            model.lm_head.weight[following] = 20 * words[token]
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    """Make the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write the checkpoint into")
    parser.add_argument("lines", nargs="+", help="the lines of its answer, all of them different")
    given = parser.parse_args()
    save_writing_model(given.out, given.lines)


if __name__ == "__main__":
    main()
