"""Train the vision tower: every cell of a picture must tell its card's colour, or that there is no card.

A throw-away linear head reads it. The pictures are returned as the language model will get them, already encoded. The
tower is not touched afterwards: training both at once from the start does not converge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen

from test_models.cards import CELL, GRIDS, NO_CARD, draw
from test_models.network import MERGE, PATCH, TEXT_WIDTH, Descent

MEAN = (0.48145466, 0.4578275, 0.40821073)
SPREAD = (0.26862954, 0.26130258, 0.27577711)
SHAPES, SHARES = list(GRIDS), np.array(list(GRIDS.values()))
BATCH = 64
Log = Callable[[str], None]


@dataclass(frozen=True)
class Cards:
    """The drawn pictures of a grid: uint8 (n, 3, rows * 28, columns * 28), and the label of each (n,)."""

    pixels: torch.Tensor
    colours: torch.Tensor


@dataclass(frozen=True)
class SeenCards:
    """The same pictures encoded: float32 (n, rows * columns, text width), and their labels (n,)."""

    cells: torch.Tensor
    colours: torch.Tensor


def draw_cards(rng: np.random.Generator, count: int) -> list[Cards]:
    """Draw about `count` pictures, an entry for each of SHAPES."""
    pools = []
    for (rows, columns), share in GRIDS.items():
        pictures, colours = zip(*(draw(rng, rows, columns) for _ in range(int(count * share))), strict=True)
        pools.append(Cards(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), torch.tensor(colours)))
    return pools


def train(
    model: Qwen2_5_VLForConditionalGeneration, pools: list[Cards], *, steps: int, rng: np.random.Generator, log: Log
) -> list[SeenCards]:
    """Train `model.model.visual` in place for `steps` batches and return the pools as it now sees them."""
    tower = model.model.visual
    head = torch.nn.Linear(TEXT_WIDTH, NO_CARD + 1)
    descent = Descent([*tower.parameters(), *head.parameters()], rate=2e-3, steps=steps, hold=0.5)
    with _quick_tower():
        for step in range(1, steps + 1):
            pool = pools[int(rng.choice(len(pools), p=SHARES))]
            chosen = torch.from_numpy(rng.integers(len(pool.colours), size=BATCH))
            scores = head(_encode(tower, _disturb(rng, pool.pixels[chosen].float())))
            goal = pool.colours[chosen, None].expand(scores.shape[:2])
            loss = F.cross_entropy(scores.flatten(0, 1), goal.flatten())
            descent.step(loss)
            if step % 50 == 0:
                right = (scores.argmax(-1) == goal).float().mean().item()
                log(f"vision step {step}: loss {loss.item():.4f}, cells right {right:.3f}")
        with torch.no_grad():
            return [SeenCards(_encode_all(tower, pool.pixels), pool.colours) for pool in pools]


def _disturb(rng: np.random.Generator, pixels: torch.Tensor) -> torch.Tensor:
    """Apply a cast over each card's channels, and on three batches of ten a grain over every pixel."""

    def cast(scale: float) -> torch.Tensor:
        return torch.from_numpy(rng.normal(0, scale, (len(pixels), 3, 1, 1))).float()

    pixels = pixels * (1 + cast(0.05)) + cast(5)
    return pixels + rng.uniform(0, 8) * torch.randn(pixels.shape) if rng.random() < 0.3 else pixels


def _encode_all(tower: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    return torch.cat([_encode(tower, piece.float()) for piece in pixels.split(BATCH)])


def _encode(tower: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Encode n pictures of one size, (n, 3, height, width) in 0..255, to (n, cells, text width)."""
    count, _, height, width = pixels.shape
    rows, columns = height // CELL, width // CELL
    mean, spread = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, SPREAD))
    scaled = (pixels.clamp(0, 255) / 255 - mean) / spread
    # The order of the processor: cells row by row, the four patches of a cell together, channels first in a patch.
    split = scaled.view(count, 3, rows, MERGE, PATCH, columns, MERGE, PATCH).permute(0, 2, 5, 3, 6, 1, 4, 7)
    sizes = torch.tensor([[1, rows * MERGE, columns * MERGE]] * count)
    return tower(split.reshape(-1, 3 * PATCH * PATCH), sizes).pooler_output.view(count, rows * columns, -1)


@contextmanager
def _quick_tower() -> Iterator[None]:
    """Compute the tower for equal pictures at once, several times faster on one core than picture by picture.

    Every picture here fits into one attention window, so windowed and full attention are the same; and a still fills
    both time steps of a patch, so the two halves of the patch kernel can be added up first.
    """

    def embed(self: torch.nn.Module, patches: torch.Tensor) -> torch.Tensor:
        return F.linear(patches, self.proj.weight.sum(2).flatten(1))

    def attend(
        self: torch.nn.Module, states: torch.Tensor, cu_seqlens: torch.Tensor, position_embeddings: tuple, **_: object
    ) -> torch.Tensor:
        query, key, value = self.qkv(states).view(len(states), 3, self.num_heads, -1).unbind(1)
        query, key = qwen.apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        pictures = len(cu_seqlens) - 1
        per_picture = (part.unflatten(0, (pictures, -1)).transpose(1, 2) for part in (query, key, value))
        mixed = F.scaled_dot_product_attention(*per_picture).transpose(1, 2)
        return self.proj(mixed.reshape(len(states), -1))

    with (
        patch.object(qwen.Qwen2_5_VisionPatchEmbed, "forward", embed),
        patch.object(qwen.Qwen2_5_VLVisionAttention, "forward", attend),
    ):
        yield
