"""Vision tower part of a config.json: its weights and the token cost of a picture, for each supported family.

Towers are counted as the checkpoints hold them (vLLM omits a last layer that some families don't use). Picture costs
follow each family's processor where config.json doesn't define them: pixel limits, candidates for tiles.

Towers are counted in two sums: the matrices of their layers, which tensor parallelism divides, and the rest, which
every card holds: patch embedding, positions, norms and biases.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from framelens.core.errors import ModelNotFound
from framelens.models.architecture import Text, Vision, Weights
from framelens.models.config.fields import Fields

# Defaults of the families' processors, where config.json doesn't set a limit.
_QWEN2_MAX_PIXELS = 16384 * 28 * 28
_QWEN3_MAX_PIXELS = 16384 * 32 * 32
_VIT_SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "image_size",
    "patch_size",
)
_MAX_PIECES = 64  # a safety limit for values in config.json
_SO400M = {"width": 1152, "layers": 27, "patch_size": 14}
_SIGLIP_LARGE = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 384, "patch_size": 16,
}  # fmt: skip


def read_vision(fields: Fields, outer: Fields, *, model_type: str, text: Text) -> Vision:
    """Read the vision tower that `fields` describe, in front of `text`.

    Args:
        fields: The `vision_config`.
        outer: The whole config.
        model_type: Type of the whole model.
        text: The language model.

    Raises:
        ModelNotFound: The family is unknown, or a value is missing or wrong.
    """
    reader = _READERS.get(model_type)
    if reader is None:
        raise ModelNotFound("model_type_unknown", model_type=model_type or "-", known=", ".join(_READERS))
    return reader(fields, outer, text)


def _tower(matrices: int, rest: int) -> tuple[Weights, ...]:
    """Return a tower's matrices, which tensor parallelism divides, and the rest, which every card holds."""
    return (
        Weights("vision", matrices, ways=0, place="every", linear=True),
        Weights("vision", rest, place="every"),
    )


def _qwen2(fields: Fields, _outer: Fields, text: Text) -> Vision:
    depth, width = fields.number("depth"), fields.number("embed_dim", "hidden_size")
    hidden = width * int(fields.values.get("mlp_ratio") or 4)
    matrices, rest = vit_blocks(depth, width, hidden)
    return _merging(fields, text, depth, width, hidden, matrices, rest, merger_rest=2 * width)


def _qwen2_5(fields: Fields, _outer: Fields, text: Text) -> Vision:
    depth, width, hidden = fields.number("depth"), fields.number("hidden_size"), fields.number("intermediate_size")
    matrices = depth * (4 * width**2 + 3 * width * hidden)
    rest = depth * (4 * width + 2 * hidden + width + 2 * width)
    return replace(_merging(fields, text, depth, width, hidden, matrices, rest, merger_rest=width), gated=True)


def _qwen3(fields: Fields, _outer: Fields, text: Text) -> Vision:
    depth, width, hidden = fields.number("depth"), fields.number("hidden_size"), fields.number("intermediate_size")
    matrices, rest = vit_blocks(depth, width, hidden)
    places = fields.number("num_position_embeddings", default=2304)
    taps = len(fields.values.get("deepstack_visual_indexes") or ())
    merged = width * _patches(fields, width)[0] ** 2
    tower = _merging(
        fields, text, depth, width, hidden, matrices, rest + width + places * width,
        mergers=1 + taps, merger_rest=2 * width + taps * 2 * merged,
    )  # fmt: skip
    return replace(tower, max_pixels=_QWEN3_MAX_PIXELS)


def _merging(
    fields: Fields, text: Text, depth: int, width: int, hidden: int, matrices: int, rest: int,
    *, merger_rest: int, mergers: int = 1,
) -> Vision:  # fmt: skip
    """Build a Qwen tower: squares of patches are merged into one token, once or for several layers of the text.

    `matrices` and `rest` count the numbers in its blocks, `merger_rest` those of all mergers beside their two layers.
    """
    merge, patch, embedding = _patches(fields, width)
    merged = width * merge**2
    return Vision(
        pictures="patches",
        unit_px=patch * merge,
        max_pixels=_QWEN2_MAX_PIXELS,
        depth=depth,
        hidden=width,
        intermediate=hidden,
        patches_per_token=merge**2,
        output=mergers * text.hidden,
        weights=(
            *_tower(matrices, rest + embedding),
            Weights("merger", mergers * (merged**2 + merged * text.hidden), ways=0, place="every", linear=True),
            Weights("merger", mergers * (merged + text.hidden) + merger_rest, place="every"),
        ),
    )


def _llava(fields: Fields, _outer: Fields, text: Text) -> Vision:
    """Build CLIP with a class token, norms before and after, and a projector of two layers."""
    fields.require(*_VIT_SIZES)
    width, hidden, depth, _, side, patch = map(fields.number, _VIT_SIZES)
    matrices, rest = vit_blocks(depth, width, hidden)
    tokens = (side // patch) ** 2
    around = width + 3 * patch**2 * width + (tokens + 1) * width + 4 * width
    return Vision(
        pictures="fixed",
        unit_px=side,
        tokens=tokens,
        max_pixels=side**2,
        depth=depth,
        hidden=width,
        intermediate=hidden,
        output=text.hidden,
        weights=(*_tower(matrices, rest + around), *projector(width, text.hidden, text.hidden)),
    )


def _deepseek(fields: Fields, outer: Fields, text: Text) -> Vision:
    """Build SigLIP at 384 px; the hybrid variant adds a SAM at 1024 px. Both give 576 tokens."""
    described = fields.with_defaults(_SIGLIP_LARGE)
    width, hidden, depth, _, side, patch = map(described.number, _VIT_SIZES)
    matrices, rest = siglip(width, hidden, depth, side, patch, head=True)
    high = outer.inner("high_res_vision_config")
    is_hybrid = high is not None or fields.word("cls") == "HybridVisionTower"
    if is_hybrid:
        more, more_rest = sam(high or Fields({}))
        matrices, rest = matrices + more, rest + more_rest
        joined = hybrid_projector(width, 1024, text.hidden)
    else:
        joined = projector(width, text.hidden, text.hidden)
    pixels = 1024**2 if is_hybrid else side**2
    return Vision(
        pictures="fixed",
        unit_px=side,
        tokens=(side // patch) ** 2,
        max_pixels=pixels,
        depth=depth,
        hidden=width,
        intermediate=hidden,
        output=text.hidden,
        weights=(*_tower(matrices, rest), *joined),
    )


def _deepseek_tiles(fields: Fields, outer: Fields, text: Text) -> Vision:
    """Build SigLIP over tiles of 384 px with 2 × 2 patches per token (DeepSeek-VL2)."""
    described = fields.with_defaults(_SO400M)
    width, depth, patch = described.number("width"), described.number("layers"), described.number("patch_size")
    hidden = int(width * float(fields.values.get("mlp_ratio") or 3.7362))
    side = fields.number("image_size", default=384)
    matrices, rest = siglip(width, hidden, depth, side, patch, head=True)
    squares = math.ceil(side // patch / 2) ** 2
    tiles = [rows * columns // side**2 for rows, columns in outer.values.get("candidate_resolutions") or ()]
    most = min(max(tiles, default=9), _MAX_PIECES)
    return Vision(
        pictures="tiles",
        unit_px=side,
        tokens=squares,
        max_pixels=side**2 * most,
        most_pieces=most,
        depth=depth,
        hidden=width,
        intermediate=hidden,
        patches_per_token=4,
        output=text.hidden,
        weights=(
            *_tower(matrices, rest),
            *projector(4 * width, text.hidden, text.hidden),
            Weights("merger", 2 * text.hidden, place="every"),
        ),
    )


def _minicpm(fields: Fields, outer: Fields, text: Text) -> Vision:
    """Build SigLIP over slices of 448 px, each resampled into `query_num` tokens (MiniCPM-V from 2.5 on)."""
    width, hidden, depth = (fields.number(name) for name in _VIT_SIZES[:3])
    side, patch = fields.number("image_size"), fields.number("patch_size")
    depth -= outer.flag("drop_vision_last_layer")
    matrices, rest = siglip(width, hidden, depth, side, patch, head=False)
    queries, wide = outer.number("query_num", default=64), text.hidden
    cut = outer.inner("slice_config") or outer
    slices = min(cut.number("max_slice_nums", default=9), _MAX_PIECES)
    piece = cut.number("scale_resolution", default=448)
    return Vision(
        pictures="slices",
        unit_px=piece,
        tokens=queries,
        max_pixels=piece**2 * slices,
        most_pieces=slices,
        depth=depth,
        hidden=width,
        intermediate=hidden,
        patches_per_token=(piece // patch) ** 2 // queries,
        output=wide,
        weights=(
            *_tower(matrices, rest),
            Weights("merger", width * wide + 5 * wide**2, place="every", linear=True),
            Weights("merger", queries * wide + 4 * wide + 6 * wide, place="every"),
        ),
    )


def _patches(fields: Fields, width: int) -> tuple[int, int, int]:
    """Return the patches along a token's side, the pixels along a patch's side, and the weights of the embedding."""
    merge, patch = fields.number("spatial_merge_size", default=2), fields.number("patch_size", default=14)
    frames = fields.number("temporal_patch_size", default=2)
    return merge, patch, 3 * frames * patch**2 * width


_READERS: dict[str, Callable[[Fields, Fields, Text], Vision]] = {
    "qwen2_vl": _qwen2,
    "qwen2_5_vl": _qwen2_5,
    "qwen3_vl": _qwen3,
    "qwen3_vl_moe": _qwen3,
    "llava": _llava,
    "deepseek_vl": _deepseek,
    "deepseek_vl_hybrid": _deepseek,
    "multi_modality": _deepseek,
    "deepseek_vl_v2": _deepseek_tiles,
    "minicpmv": _minicpm,
}


def vit_blocks(depth: int, width: int, hidden: int) -> tuple[int, int]:
    """Count the matrices, and the biases and norms, of `depth` plain blocks.

    A block is attention, two layers with biases and two norms.
    """
    return depth * (4 * width**2 + 2 * width * hidden), depth * (4 * width + hidden + width + 4 * width)


def siglip(width: int, hidden: int, depth: int, side: int, patch: int, *, head: bool) -> tuple[int, int]:
    """Count a SigLIP tower like `vit_blocks`, with positions and a final norm, and with the pooling head if `head`."""
    matrices, rest = vit_blocks(depth, width, hidden)
    rest += 3 * patch**2 * width + width + (side // patch) ** 2 * width + 2 * width
    if head:
        matrices += 4 * width**2 + 2 * width * hidden
        rest += width + 4 * width + 2 * width + hidden + width
    return matrices, rest


def sam(fields: Fields) -> tuple[int, int]:
    """Count SAM's base encoder with relative positions, a second neck, and two layers that halve the picture twice."""
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
    """List the weights of a projector of two layers."""
    yield Weights("merger", width * middle + middle * out, place="every", linear=True)
    yield Weights("merger", middle + out, place="every")


def hybrid_projector(low: int, high: int, out: int) -> Iterator[Weights]:
    """List the weights of the projector behind the two towers of the hybrid DeepSeek-VL."""
    yield Weights("merger", (low + high) * (out // 2) + out**2, place="every", linear=True)
    yield Weights("merger", 2 * (out // 2) + out, place="every")
