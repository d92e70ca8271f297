"""Shape of a model by its config.json, read in one way for all families that name their sizes as Llama does.

The language model is at the top level or in a `text_config`, the vision tower in a `vision_config`. Of attention, what
the cache depends on is read; of the tower, its size and about how many tokens a picture takes. Weights are counted by
the matrices of the layers, and the size of the checkpoint corrects the sum, so that a family needs no reader of its
own. Missing, wrong or differently named sizes are errors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from framelens.core.errors import ModelNotFound
from framelens.models.architecture import Cache, Quantisation, Shape, Text, Vision

_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
_MAX_LAYERS, _MAX_SIZE, _MAX_PIECES = 1000, 10**7, 64
"""Safety limits: no model comes near them, and larger values are mistakes that would take ages to count."""
_TEXT_NAMES = ("text_config", "language_config", "llm_config")
# Defaults of transformers for a Llama within a larger model, whose config leaves out the sizes that equal them.
_LLAMA_DEFAULTS: dict[str, Any] = {
    "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 11008,
    "vocab_size": 32000, "max_position_embeddings": 2048,
}  # fmt: skip
_DTYPES = {"float16": "float16", "half": "float16", "bfloat16": "bfloat16", "float32": "float32", "float": "float32"}
_MOST_PATCHED = 16384
"""Most tokens of a picture that is sent in its own size, as in the processors of Qwen2-VL and its successors."""


def read_shape(config: Mapping[str, Any], *, stored_bytes: int = 0, published: int = 0) -> Shape:
    """Read the shape of a model from its config.json.

    Args:
        config: The config.json.
        stored_bytes: Size of its weights in the checkpoint, 0 if unknown.
        published: Number of parameters as its makers publish it, 0 if unknown.

    Raises:
        ModelNotFound: `model_shape_incomplete` if it is no config, `model_type_unknown` with the missing sizes, or
            `model_shape_wrong` with a wrong one.
    """
    if not isinstance(config, Mapping) or not (config.get("model_type") or config.get("architectures")):
        raise ModelNotFound("model_shape_incomplete", keys="model_type, architectures")
    try:
        return replace(_shape(_Fields(config)), stored_bytes=stored_bytes, published=published)
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:  # a value of an unexpected type
        raise ModelNotFound("model_shape_wrong", key="config.json", value=str(error)) from error


class _Fields:
    """One object of a config.json; `path` is the prefix of its keys in errors, "" for the outermost object."""

    def __init__(self, values: Mapping[str, Any], path: str = "", model_type: str = "") -> None:
        self.values = values
        self.path = path
        self.model_type = model_type or self.word("model_type") or "-"

    def number(self, *names: str, default: int | None = None) -> int:
        """Return the first of `names` that is set, as a whole number.

        Raises:
            ModelNotFound: The value isn't a whole number, or is missing without a default.
        """
        for name in names:
            value = self.values.get(name)
            if value is None:
                continue
            if isinstance(value, list | tuple) and len(set(value)) == 1:  # [14, 14] for square patches
                value = value[0]
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_SIZE:
                raise ModelNotFound("model_shape_wrong", key=self.path + name, value=repr(value))
            return value
        if default is None:
            self.require(names[0])
        return default or 0

    def require(self, *names: str) -> None:
        """Raise ModelNotFound with all of `names` that are missing."""
        if missing := [self.path + name for name in names if self.values.get(name) is None]:
            raise ModelNotFound("model_type_unknown", model_type=self.model_type, keys=", ".join(missing))

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a truth value, or `default` if it isn't set."""
        value = self.values.get(name)
        return default if value is None else bool(value)

    def word(self, name: str) -> str:
        """Return a text, or "" if it isn't set."""
        return str(self.values.get(name) or "")

    def inner(self, *names: str, defaults: Mapping[str, Any] | None = None) -> _Fields | None:
        """Return the first of `names` that is a non-empty object, or None; `defaults` are for keys that it lacks."""
        for name in names:
            value = self.values.get(name)
            if isinstance(value, Mapping) and value:
                stated = {key: item for key, item in value.items() if item is not None}
                return _Fields({**(defaults or {}), **stated}, f"{self.path}{name}.", self.model_type)
        return None


def _shape(outer: _Fields) -> Shape:
    inner = outer.inner(*_TEXT_NAMES)
    if inner and (inner.word("model_type") or "llama") == "llama":
        inner = outer.inner(*_TEXT_NAMES, defaults=_LLAMA_DEFAULTS)
    is_tied = inner is not None and inner.flag("tie_word_embeddings")
    text = _text(inner or outer, tied=outer.flag("tie_word_embeddings", default=is_tied))
    tower = outer.inner("vision_config")
    quantised = outer.inner("quantization_config", "compression_config")
    return Shape(
        model_type=outer.word("model_type"),
        dtype=_dtype(outer, inner),
        text=text,
        vision=_vision(tower, outer, text) if tower else None,
        quantisation=_quantisation(quantised or (inner and inner.inner("quantization_config"))),
    )


def _dtype(outer: _Fields, inner: _Fields | None) -> str:
    for fields in (outer, inner):
        if fields is not None and (dtype := fields.word("dtype") or fields.word("torch_dtype")):
            return _DTYPES.get(dtype.removeprefix("torch."), "bfloat16")
    return "bfloat16"


# ---- the language model ----------------------------------------------------------------------------------------------


def _text(fields: _Fields, *, tied: bool) -> Text:
    fields.require(*_SIZES)
    hidden, layers, heads, intermediate, vocab = map(fields.number, _SIZES)
    if not all((hidden, layers, heads, vocab)) or layers > _MAX_LAYERS:
        value = ", ".join(str(fields.values[name]) for name in _SIZES)
        raise ModelNotFound("model_shape_wrong", key=f"{fields.path}{', '.join(_SIZES)}", value=value)
    kv_heads = fields.number("num_key_value_heads", default=heads) or heads
    cache = _cache(fields, layers, kv_heads, hidden // heads)
    experts = fields.number("num_experts", "n_routed_experts", "num_local_experts", default=0)
    width = fields.number("moe_intermediate_size", default=intermediate) if experts else 0
    shared = fields.number("n_shared_experts", default=0) * width
    shared = shared or fields.number("shared_expert_intermediate_size", default=0)
    dense = min(layers, fields.number("first_k_dense_replace", default=0)) if experts else layers
    per_token = fields.number("num_experts_per_tok", default=1) if experts else 0
    # With a latent, as if it were ordinary attention: about as many weights make the latent and what is read from it.
    per_layer = hidden + hidden // heads * kv_heads if cache.latent else (heads + kv_heads) * cache.head_dim
    attention, linear_layers = 2 * hidden * per_layer, _linear_layers(fields, layers)
    if linear_layers:  # the others have a gate at their output
        attention += hidden * heads * cache.head_dim
    mixers = (layers - linear_layers) * attention + linear_layers * hidden * _linear_width(fields)
    routed = 3 * hidden * (layers - dense) * experts * width
    return Text(
        model_type=fields.word("model_type").removesuffix("_text"),
        layers=layers,
        hidden=hidden,
        heads=heads,
        intermediate=max(intermediate, shared, width * per_token),
        vocab=vocab,
        max_positions=fields.number("max_position_embeddings", default=0),
        cache=cache,
        linear=mixers + 3 * hidden * (dense * intermediate + (layers - dense) * shared) + routed,
        tied=tied,
        experts=experts,
        experts_per_token=per_token,
        routed=routed,
        layer_embeddings=layers * vocab * fields.number("hidden_size_per_layer_input", default=0),
        is_hybrid=linear_layers > 0,
    )


def _linear_layers(fields: _Fields, layers: int) -> int:
    """Return the number of layers with linear attention (Qwen3.5): as listed, else by their interval."""
    if kinds := fields.values.get("layer_types"):
        return min(layers, [str(kind) for kind in kinds].count("linear_attention"))
    return layers - layers // max(1, fields.number("full_attention_interval", default=1))


def _linear_width(fields: _Fields) -> int:
    """Return the width of all matrices of a layer with linear attention: queries, keys, values, gate and output."""
    keys = fields.number("linear_num_key_heads", default=16) * fields.number("linear_key_head_dim", default=128)
    values = fields.number("linear_num_value_heads", default=32) * fields.number("linear_value_head_dim", default=128)
    return 2 * keys + 3 * values


def _cache(fields: _Fields, layers: int, kv_heads: int, head_dim: int) -> Cache:
    """Read what a layer keeps of a token: keys and values of its heads, or one latent (DeepSeek's MLA).

    Layers that keep no more than a window count in full, and layers of another kind, as linear attention, not at all;
    nor do layers that use another layer's keys and values (Gemma 4).
    """
    if fields.values.get("kv_lora_rank") is not None and fields.flag("use_mla", default=True):
        return Cache(layers, 1, fields.number("kv_lora_rank") + fields.number("qk_rope_head_dim"), latent=True)
    kinds = [str(kind) for kind in fields.values.get("layer_types") or ()]
    cached_layers = sum("attention" in kind for kind in kinds) if kinds else layers
    cached_layers -= _linear_layers(fields, layers) + fields.number("num_kv_shared_layers", default=0)
    slides = bool(fields.values.get("sliding_window")) and fields.flag("use_sliding_window", default=True)
    own_dim = fields.number("head_dim", default=head_dim)
    return Cache(max(0, min(cached_layers, layers)), kv_heads, own_dim, is_whole=not slides and cached_layers == layers)


# ---- the vision tower ------------------------------------------------------------------------------------------------


def _vision(fields: _Fields, outer: _Fields, text: Text) -> Vision:
    """Read the tower: pictures in their own size (Qwen, with `spatial_merge_size`), or in squares of one size."""
    hidden = fields.number("embed_dim", "width", "hidden_size")
    patch, merge = fields.number("patch_size", default=14), fields.number("spatial_merge_size", default=0)
    mixed = 1 + len(fields.values.get("deepstack_visual_indexes") or ())  # outputs of several layers reach the text
    side, tokens, pieces = (patch * merge, 1, _MOST_PATCHED) if merge else _pieces(fields, outer, patch)
    return Vision(
        pictures="patches" if merge else "pieces",
        unit_px=side,
        tokens=tokens,
        most_pieces=pieces,
        depth=fields.number("depth", "layers", "num_hidden_layers"),
        hidden=hidden,
        intermediate=fields.number("intermediate_size", default=int(hidden * float(fields.word("mlp_ratio") or 4))),
        output=mixed * text.hidden,
        gated=fields.word("hidden_act") == "silu",
        patches_per_token=max(1, (side // max(1, patch)) ** 2 // max(1, tokens)),
    )


def _pieces(fields: _Fields, outer: _Fields, patch: int) -> tuple[int, int, int]:
    """Return the side of a square in pixels, its tokens, and the most squares that a picture is cut into.

    With several pictures DeepSeek-VL2 (`candidate_resolutions`) cuts none: it takes each twice, as a whole and a tile.
    """
    cut = outer.inner("slice_config") or outer
    size = fields.number("image_size", default=384)
    side = max(1, outer.number("force_image_size", default=cut.number("scale_resolution", default=size)))
    is_tiled = bool(outer.values.get("candidate_resolutions"))
    merge = 2 if is_tiled else round(1 / float(outer.values.get("downsample_ratio") or 1))
    counted = max(1, math.ceil(side // max(1, patch) / max(1, merge))) ** 2
    counted //= int(outer.word("downsample_mode").removesuffix("x") or 1)  # "16x": sixteen patches are a token
    named = fields.number("default_output_length", default=counted)
    tokens = outer.number("query_num", "mm_tokens_per_image", "image_seq_length", default=named)
    pieces = cut.number("max_slice_nums", "max_dynamic_patch", default=1)
    return side, max(1, tokens * (2 if is_tiled else 1)), min(max(1, pieces), _MAX_PIECES)


# ---- number formats --------------------------------------------------------------------------------------------------


def _quantisation(fields: _Fields | None) -> Quantisation | None:
    if fields is None:
        return None
    method = fields.word("quant_method").lower().replace("compressed-tensors", "compressed_tensors")
    if method == "fp8":
        return Quantisation(method, 8)
    if method == "bitsandbytes":
        return Quantisation(method, 4 if fields.flag("load_in_4bit") else 8, 64)
    if method == "compressed_tensors":
        fields = _first_group(fields)
    bits = fields.number("bits", "w_bit", "num_bits")
    group = fields.values.get("group_size", fields.values.get("q_group_size"))
    return Quantisation(method, bits, group if isinstance(group, int) and group > 0 else 0)


def _first_group(fields: _Fields) -> _Fields:
    groups = fields.inner("config_groups")
    first = groups.inner(*groups.values) if groups else None
    weights = first.inner("weights") if first else None
    if weights is None:
        raise ModelNotFound("model_shape_incomplete", keys=f"{fields.path}config_groups.*.weights")
    return weights
