"""Vision tower part of a config.json: its size and the token cost of a picture, for each supported family.

Picture costs follow each family's processor where config.json doesn't define them: pixel limits, candidates for tiles.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from framelens.core.errors import ModelNotFound
from framelens.models.architecture import Text, Vision, grids_of
from framelens.models.config.fields import Fields

# Defaults of the families' processors, where config.json doesn't set a limit.
_QWEN2_MAX_PIXELS = 16384 * 28 * 28
_QWEN3_MAX_PIXELS = 16384 * 32 * 32
_GLM4V_MAX_PIXELS = 6144 * 28 * 28  # half of the limit in its files, in which a picture counts as two frames
_LLAVA_MOST_TILES = 9  # the 9 of `anyres_max_9`; more tokens are scaled down
_MAX_PIECES = 64  # a safety limit for values in config.json
_SO400M = {"width": 1152, "layers": 27, "patch_size": 14}
_SIGLIP_LARGE = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 384, "patch_size": 16,
}  # fmt: skip
_VIT_SIZES = tuple(_SIGLIP_LARGE)


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


def _qwen2(fields: Fields, _outer: Fields, text: Text) -> Vision:
    width = fields.number("embed_dim", "hidden_size")
    return _in_patches(fields, width, width * int(fields.values.get("mlp_ratio") or 4), _QWEN2_MAX_PIXELS, text.hidden)


def _qwen2_5(fields: Fields, _outer: Fields, text: Text) -> Vision:
    fields.require("depth", "hidden_size", "intermediate_size")
    sizes = fields.number("hidden_size"), fields.number("intermediate_size")
    return _in_patches(fields, *sizes, _QWEN2_MAX_PIXELS, text.hidden, gated=True)


def _qwen3(fields: Fields, _outer: Fields, text: Text) -> Vision:
    """Read a tower that merges the outputs of several of its layers into the text."""
    merged = 1 + len(fields.values.get("deepstack_visual_indexes") or ())
    sizes = fields.number("hidden_size"), fields.number("intermediate_size")
    return _in_patches(fields, *sizes, _QWEN3_MAX_PIXELS, merged * text.hidden)


def _glm4v(fields: Fields, _outer: Fields, text: Text) -> Vision:
    """Read a tower whose blocks are as wide as its output; `intermediate_size` is the width of its merger."""
    output = fields.number("out_hidden_size", default=text.hidden)
    return _in_patches(fields, fields.number("hidden_size"), output, _GLM4V_MAX_PIXELS, output, gated=True)


def _in_patches(
    fields: Fields, hidden: int, intermediate: int, max_pixels: int, output: int, *, gated: bool = False
) -> Vision:
    """Build a Qwen tower, which merges each square of patches into a token."""
    merge, patch = fields.number("spatial_merge_size", default=2), fields.number("patch_size", default=14)
    return Vision(
        pictures="patches",
        unit_px=patch * merge,
        max_pixels=max_pixels,
        depth=fields.number("depth"),
        hidden=hidden,
        intermediate=intermediate,
        gated=gated,
        patches_per_token=merge**2,
        output=output,
    )


def _llava(fields: Fields, _outer: Fields, text: Text) -> Vision:
    fields.require(*_VIT_SIZES)
    return _fixed(fields, text, fields.number("image_size"))


def _gemma3(fields: Fields, outer: Fields, text: Text) -> Vision:
    """Build SigLIP at 896 px, whose patches are averaged to `mm_tokens_per_image` tokens."""
    fields.require(*_VIT_SIZES)
    whole = _fixed(fields, text, fields.number("image_size"))
    tokens = max(1, outer.number("mm_tokens_per_image", default=256))
    return replace(whole, tokens=tokens, patches_per_token=max(1, whole.tokens // tokens))


def _llava_onevision(fields: Fields, outer: Fields, text: Text) -> Vision:
    """Build SigLIP over the whole picture and the tiles of a grid in `image_grid_pinpoints`."""
    fields.require(*_VIT_SIZES)
    whole, side = _fixed(fields, text, fields.number("image_size")), max(1, fields.number("image_size"))
    given = outer.values.get("image_grid_pinpoints") or [[side, side]]
    grids = {(width // side, height // side) for height, width in given}
    return replace(whole, pictures="anyres", grids=_limited(grids), most_pieces=_LLAVA_MOST_TILES)


def _internvl(fields: Fields, outer: Fields, text: Text) -> Vision:
    """Build InternViT over up to `max_dynamic_patch` tiles and a thumbnail; 2 × 2 patches are a token."""
    fields.require(*_VIT_SIZES)
    whole = _fixed(fields, text, outer.number("force_image_size", default=fields.number("image_size")))
    merge = round(1 / float(outer.values.get("downsample_ratio") or 0.5)) ** 2
    most = outer.number("max_dynamic_patch", default=12) if outer.flag("dynamic_image_size", default=True) else 1
    most = min(max(1, most), _MAX_PIECES)
    return replace(
        whole,
        pictures="dynamic",
        tokens=whole.tokens // merge,
        patches_per_token=merge,
        grids=_limited(grids_of(most)),
        most_pieces=most,
    )


def _limited(grids: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the grids of a sane size by their number of tiles, the order in which the processors compare them."""
    sane = [(columns, rows) for columns, rows in grids if 0 < columns * rows <= _MAX_PIECES]
    return tuple(sorted(sane, key=lambda grid: (grid[0] * grid[1], grid)))


def _deepseek(fields: Fields, outer: Fields, text: Text) -> Vision:
    """Build SigLIP at 384 px; the hybrid variant adds a SAM at 1024 px. Both give 576 tokens."""
    is_hybrid = bool(outer.inner("high_res_vision_config")) or fields.word("cls") == "HybridVisionTower"
    described = fields.with_defaults(_SIGLIP_LARGE)
    return _fixed(described, text, 1024 if is_hybrid else described.number("image_size"))


def _fixed(fields: Fields, text: Text, side_px: int) -> Vision:
    hidden, intermediate, depth, side, patch = map(fields.number, _VIT_SIZES)
    return Vision(
        pictures="fixed",
        unit_px=side,
        tokens=(side // patch) ** 2,
        max_pixels=side_px**2,
        depth=depth,
        hidden=hidden,
        intermediate=intermediate,
        output=text.hidden,
    )


def _deepseek_tiles(fields: Fields, outer: Fields, text: Text) -> Vision:
    """Build SigLIP over tiles of 384 px with 2 × 2 patches per token (DeepSeek-VL2)."""
    described = fields.with_defaults(_SO400M)
    width, patch = described.number("width"), described.number("patch_size")
    side = fields.number("image_size", default=384)
    tiles = [rows * columns // side**2 for rows, columns in outer.values.get("candidate_resolutions") or ()]
    most = min(max(tiles, default=9), _MAX_PIECES)
    return Vision(
        pictures="tiles",
        unit_px=side,
        tokens=math.ceil(side // patch / 2) ** 2,
        max_pixels=side**2 * most,
        most_pieces=most,
        depth=described.number("layers"),
        hidden=width,
        intermediate=int(width * float(fields.values.get("mlp_ratio") or 3.7362)),
        patches_per_token=4,
        output=text.hidden,
    )


def _minicpm(fields: Fields, outer: Fields, text: Text) -> Vision:
    """Build SigLIP over slices of 448 px, each resampled into `query_num` tokens (MiniCPM-V from 2.5 on)."""
    hidden, intermediate, depth = (fields.number(name) for name in _VIT_SIZES[:3])
    queries, cut = outer.number("query_num", default=64), outer.inner("slice_config") or outer
    slices = min(cut.number("max_slice_nums", default=9), _MAX_PIECES)
    piece = cut.number("scale_resolution", default=448)
    return Vision(
        pictures="slices",
        unit_px=piece,
        tokens=queries,
        max_pixels=piece**2 * slices,
        most_pieces=slices,
        depth=depth - outer.flag("drop_vision_last_layer"),
        hidden=hidden,
        intermediate=intermediate,
        patches_per_token=(piece // fields.number("patch_size")) ** 2 // queries,
        output=text.hidden,
    )


_READERS: dict[str, Callable[[Fields, Fields, Text], Vision]] = {
    "qwen2_vl": _qwen2,
    "qwen2_5_vl": _qwen2_5,
    "qwen3_vl": _qwen3,
    "qwen3_vl_moe": _qwen3,
    "glm4v": _glm4v,
    "glm4v_moe": _glm4v,
    "gemma3": _gemma3,
    "internvl": _internvl,
    "internvl_chat": _internvl,
    "llava": _llava,
    "llava_onevision": _llava_onevision,
    "deepseek_vl": _deepseek,
    "deepseek_vl_hybrid": _deepseek,
    "multi_modality": _deepseek,
    "deepseek_vl_v2": _deepseek_tiles,
    "minicpmv": _minicpm,
}
