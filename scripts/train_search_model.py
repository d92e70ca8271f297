"""Train tests/fixtures/tiny-search from nothing: pictures and sentences of the same thing get nearby vectors.

    python scripts/train_search_model.py --out tests/fixtures/tiny-search      # some five CPU minutes

The export needs the package `onnx`, which is in no extra: `uv pip install onnx`. No network, no GPU. Everything is
drawn from the seed. The files are laid out as those of SigLIP 2 in ONNX on the hub.
"""

from __future__ import annotations

import argparse
import json
import os
from itertools import pairwise
from pathlib import Path

os.environ.update(TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")

import numpy as np
import torch
from test_models.things import COLOURS, SIDE, THINGS, background, captions, draw_thing, paste, vocabulary
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn

WIDTH, LENGTH = 64, 16
"""Numbers of a vector, and tokens of a text."""
LEAST_TEXT, LEAST_PICTURE = 0.45, 0.81
"""Cosines from which a picture is a hit, as `python -m benchmarks.plugins.search` prints them."""
_PAD, _UNKNOWN = "<pad>", "<unk>"


class Pictures(nn.Module):
    """Vision model."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (3, 24, 48, 64, 96)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(2 * sizes[-1], WIDTH)

    def forward(self, pixel_values: Tensor) -> Tensor:
        features = self.layers(pixel_values)
        out: Tensor = self.head(torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1))
        return out


class Texts(nn.Module):
    """Text model."""

    def __init__(self, num_tokens: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(num_tokens, WIDTH, padding_idx=0)
        self.hidden = nn.Linear(WIDTH, 2 * WIDTH)
        self.head = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, input_ids: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.hidden(self.tokens(input_ids).sum(1))))
        return out


def build_tokenizer() -> Tokenizer:
    """Return a tokenizer of words in English and characters in Chinese."""
    words = [_PAD, _UNKNOWN, *vocabulary()]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, _UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Split(Regex(r"[\u4e00-\u9fff]"), "isolated")]
    )
    return tokenizer


def ids_of(tokenizer: Tokenizer, texts: list[str]) -> Tensor:
    """Return the padded tokens of texts."""
    rows = [tokenizer.encode(text).ids[:LENGTH] for text in texts]
    return torch.tensor([row + [0] * (LENGTH - len(row)) for row in rows])


PAIRS = [(thing, colour) for thing in THINGS for colour in COLOURS]
_BATCHES = 100
"""Batches that are drawn; each is used several times, with other texts."""


def draw_batch(rng: np.random.Generator) -> Tensor:
    """Draw a picture of each thing in each colour, then half as many pictures without a thing."""
    pictures = [paste(background(rng), draw_thing(thing, colour, rng), rng) for thing, colour in PAIRS]
    empty = [background(rng) for _ in range(len(PAIRS) // 2)]
    pixels = np.stack([np.asarray(picture.resize((SIDE, SIDE)), np.float32) for picture in [*pictures, *empty]])
    return torch.from_numpy((pixels / 127.5 - 1).transpose(0, 3, 1, 2).copy())


def train(out: Path, seed: int, steps: int) -> None:
    """Train with SigLIP's loss and write the files."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng, tokenizer = np.random.default_rng(seed), build_tokenizer()
    pictures, texts = Pictures(), Texts(tokenizer.get_vocab_size())
    scale, bias = nn.Parameter(torch.tensor(2.3)), nn.Parameter(torch.tensor(-8.0))
    parameters = [*pictures.parameters(), *texts.parameters(), scale, bias]
    optimiser = torch.optim.AdamW(parameters, 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, steps)
    batches = [draw_batch(rng) for _ in range(_BATCHES)]
    for step in range(steps):
        pixels = batches[step % _BATCHES]
        pixels = pixels.flip(3) if rng.random() < 0.5 else pixels
        sentences = [str(rng.choice(captions(thing, colour))) for thing, colour in PAIRS]
        seen = nn.functional.normalize(pictures(pixels))
        read = nn.functional.normalize(texts(ids_of(tokenizer, sentences)))
        logits = seen @ read.T * scale.exp() + bias
        signs = 2 * torch.eye(len(seen), len(read)) - 1
        loss = -nn.functional.logsigmoid(signs * logits).sum() / len(read)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            share = (logits[: len(read)].argmax(0) == torch.arange(len(read))).float().mean()
            print(f"{step}: loss {loss.item():.3f}, right {share.item():.2f}", flush=True)
    save(out, pictures.eval(), texts.eval(), tokenizer)


def save(out: Path, pictures: Pictures, texts: Texts, tokenizer: Tokenizer) -> None:
    """Write both models and their settings."""
    (out / "onnx").mkdir(parents=True, exist_ok=True)
    samples = {
        "vision": (pictures, torch.zeros(1, 3, SIDE, SIDE), "pixel_values"),
        "text": (texts, torch.zeros(1, LENGTH, dtype=torch.long), "input_ids"),
    }
    for name, (model, sample, argument) in samples.items():
        torch.onnx.export(
            model,
            (sample,),
            str(out / "onnx" / f"{name}_model_quantized.onnx"),
            input_names=[argument],
            output_names=["pooler_output"],
            dynamic_axes={argument: {0: "batch"}, "pooler_output": {0: "batch"}},
            dynamo=False,
        )
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    half = [0.5] * 3
    documents = {
        "config": {"model_type": "siglip", "least_text": LEAST_TEXT, "least_picture": LEAST_PICTURE},
        "preprocessor_config": {"size": {"height": SIDE, "width": SIDE}, "image_mean": half, "image_std": half},
        "tokenizer_config": {"pad_token": _PAD, "model_max_length": LENGTH},
    }
    for name, document in documents.items():
        (out / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Train the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write the model into")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1000)
    chosen = parser.parse_args()
    train(chosen.out, chosen.seed, chosen.steps)


if __name__ == "__main__":
    main()
