"""The numbers in the building blocks of vision towers, as their checkpoints hold them.

Towers are counted in two sums: the matrices of their layers, which tensor parallelism divides, and all the rest, which
every card holds: what reads the patches, positions, norms and biases.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.models.architecture import Weights
from app.models.config.fields import Fields


def vit_blocks(depth: int, width: int, hidden: int) -> tuple[int, int]:
    """Matrices, and biases and norms, of `depth` plain blocks: attention, two layers with biases, two norms."""
    return depth * (4 * width**2 + 2 * width * hidden), depth * (4 * width + hidden + width + 4 * width)


def siglip(width: int, hidden: int, depth: int, side: int, patch: int, *, head: bool) -> tuple[int, int]:
    """The same with positions and a norm behind, and with the pooling head if `head`."""
    matrices, rest = vit_blocks(depth, width, hidden)
    rest += 3 * patch**2 * width + width + (side // patch) ** 2 * width + 2 * width
    if head:
        matrices += 4 * width**2 + 2 * width * hidden
        rest += width + 4 * width + 2 * width + hidden + width
    return matrices, rest


def sam(fields: Fields) -> tuple[int, int]:
    """SAM's base encoder with its relative positions, a second neck, and two layers that halve the picture twice."""
    number = fields.number
    width, depth = number("hidden_size", default=768), number("num_hidden_layers", default=12)
    hidden, heads = number("mlp_dim", default=4 * width), number("num_attention_heads", default=12)
    side, patch = number("image_size", default=1024), number("patch_size", default=16)
    out = number("output_channels", default=256)
    matrices, rest = vit_blocks(depth, width, hidden)
    grid, window, whole = side // patch, number("window_size", default=14), fields.values.get("global_attn_indexes")
    over_all = 4 if whole is None else len(whole)
    positions = 2 * (width // heads) * (over_all * (2 * grid - 1) + (depth - over_all) * (2 * window - 1))
    neck = width * out + 9 * out**2 + 4 * out
    halving = 9 * out * 2 * out + 9 * 2 * out * 4 * out
    rest += 3 * patch**2 * width + width + grid**2 * width + positions + 2 * neck + halving + 1
    return matrices, rest


def projector(width: int, middle: int, out: int) -> Iterator[Weights]:
    yield Weights("merger", width * middle + middle * out, place="every", linear=True)
    yield Weights("merger", middle + out, place="every")


def hybrid_projector(low: int, high: int, out: int) -> Iterator[Weights]:
    yield Weights("merger", (low + high) * (out // 2) + out**2, place="every", linear=True)
    yield Weights("merger", 2 * (out // 2) + out, place="every")
