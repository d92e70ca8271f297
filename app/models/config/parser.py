"""Parser of config.json files: builds a Shape and guesses nothing; missing, wrong or unknown values are errors.

Both styles are supported: everything at the top level, as in Qwen2-VL, and a `text_config` (or `language_config`)
beside a `vision_config`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.core import ModelNotFound
from app.models.architecture import Quantisation, Shape
from app.models.config.fields import Fields
from app.models.config.text import read_text
from app.models.config.vision import read_vision

_TEXT_NAMES = ("text_config", "language_config", "llm_config")
_TEXT_OF = {"llava": "llama", "multi_modality": "llama", "deepseek_vl": "llama", "deepseek_vl_hybrid": "llama"}
"""Language model types of families whose nested config may omit its type."""
_MINICPM_TEXT = {"2.5": "llama", "2.6": "qwen2", "4.0": "llama", "4.5": "qwen3"}
_DTYPES = {"float16": "float16", "half": "float16", "bfloat16": "bfloat16", "float32": "float32", "float": "float32"}


def read_shape(config: Mapping[str, Any]) -> Shape:
    """Read the shape of a model from its config.json.

    Raises:
        ModelNotFound: `model_shape_incomplete` with the missing keys, `model_shape_wrong` with the value, or
            `model_type_unknown` with the known types.
    """
    if not isinstance(config, Mapping) or not (config.get("model_type") or config.get("architectures")):
        raise ModelNotFound("model_shape_incomplete", keys="model_type, architectures")
    try:
        return _shape(config)
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:  # a value of a kind that no config has
        raise ModelNotFound("model_shape_wrong", key="config.json", value=str(error)) from error


def _shape(config: Mapping[str, Any]) -> Shape:
    outer = Fields(config)
    model_type = outer.word("model_type")
    inner = outer.inner(*_TEXT_NAMES)
    text = read_text(
        inner or outer,
        model_type=_text_type(outer, inner, model_type),
        nested=inner is not None,
        tied=_tied(outer, inner),
    )
    seen = outer.inner("vision_config")
    return Shape(
        architecture=next(iter(config.get("architectures") or ()), model_type),
        model_type=model_type,
        dtype=_dtype(outer, inner),
        text=text,
        vision=read_vision(seen, outer, model_type=model_type, text=text) if seen else None,
        quantisation=_quantisation(outer.inner("quantization_config", "compression_config") or _inner_quantised(inner)),
    )


def _text_type(outer: Fields, inner: Fields | None, model_type: str) -> str:
    if inner is not None:
        named = inner.word("model_type") or _TEXT_OF.get(model_type, "")
        # DeepSeek-VL2 leaves its type out; MLA can be switched off in it, the rest is DeepSeek-V2's.
        return named or ("deepseek_v2" if model_type == "deepseek_vl_v2" else "llama")
    if model_type == "minicpmv":
        return _MINICPM_TEXT.get(str(outer.values.get("version")), "")
    return model_type


def _tied(outer: Fields, inner: Fields | None) -> bool | None:
    """Return whether input and output embeddings are shared, or None if unknown.

    The outer config takes precedence, as in transformers for models of two parts.
    """
    if outer.word("model_type") in ("deepseek_vl", "deepseek_vl_hybrid", "multi_modality", "deepseek_vl_v2", "llava"):
        return False  # their checkpoints hold both, whatever default transformers has
    given = outer.values.get("tie_word_embeddings")
    if given is None and inner is not None:
        given = inner.values.get("tie_word_embeddings")
    return None if given is None else bool(given)


def _dtype(outer: Fields, inner: Fields | None) -> str:
    for fields in (outer, inner):
        if fields is not None and (named := fields.word("dtype") or fields.word("torch_dtype")):
            return _DTYPES.get(named.removeprefix("torch."), "bfloat16")
    return "bfloat16"


def _inner_quantised(inner: Fields | None) -> Fields | None:
    return inner.inner("quantization_config") if inner else None


def _quantisation(fields: Fields | None) -> Quantisation | None:
    if fields is None:
        return None
    method = fields.word("quant_method").lower().replace("compressed-tensors", "compressed_tensors")
    covers_vision = method not in ("awq", "gptq") and not _names_vision(fields)
    if method == "fp8":
        return Quantisation(method, 8, covers_vision=covers_vision)
    if method == "bitsandbytes":
        return Quantisation(method, 4 if fields.flag("load_in_4bit") else 8, 64, covers_vision=covers_vision)
    if method == "compressed_tensors":
        fields = _first_group(fields)
    bits = fields.number("bits", "w_bit", "num_bits")
    group = fields.values.get("group_size", fields.values.get("q_group_size"))
    size = group if isinstance(group, int) and group > 0 else 0
    zero_point = fields.flag("zero_point", default=method == "gptq")
    return Quantisation(method, bits, size, zero_point, covers_vision)


def _names_vision(fields: Fields) -> bool:
    """Return whether the modules excluded from quantisation include the vision tower."""
    left: Iterable[Any] = [
        *(fields.values.get("modules_to_not_convert") or ()),
        *(fields.values.get("ignore") or ()),
        *(fields.values.get("ignored_layers") or ()),
        *(fields.values.get("llm_int8_skip_modules") or ()),
    ]
    return any(word in str(name) for name in left for word in ("visual", "vision", "vpm"))


def _first_group(fields: Fields) -> Fields:
    groups = fields.inner("config_groups")
    first = groups.inner(*groups.values) if groups else None
    weights = first.inner("weights") if first else None
    if weights is None:
        raise ModelNotFound("model_shape_incomplete", keys=f"{fields.path}config_groups.*.weights")
    return weights
