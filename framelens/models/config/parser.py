"""Parser of config.json files: builds a Shape and guesses nothing; missing, wrong or unknown values are errors.

Both styles are supported: everything at the top level, as in Qwen2-VL, and a `text_config` (or `language_config`)
beside a `vision_config`. The language model is of the Llama, Qwen, GLM or Gemma line or DeepSeek's with latent
attention, dense or with experts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from framelens.core.errors import ModelNotFound
from framelens.models.architecture import Cache, Quantisation, Shape, Text
from framelens.models.config.fields import Fields
from framelens.models.config.vision import read_vision

_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
_MAX_LAYERS = 1000  # a safety limit
_DEEPSEEK = ("deepseek_v2", "deepseek_v3")
_GLM_EXPERTS = ("glm4_moe", "glm4v_moe")
_KNOWN = (
    "llama", "mistral", "internlm2", "phi3", "qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl", "qwen3", "qwen3_moe",
    "qwen3_vl", "qwen3_vl_moe", "glm4", "glm4v", *_GLM_EXPERTS, "gemma3", *_DEEPSEEK,
)  # fmt: skip
# Defaults of transformers for the Llama in a model whose config leaves out sizes.
_LLAMA_DEFAULTS: dict[str, Any] = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
}
# The same for a Gemma 3; the config of the 4B leaves all of them out.
_GEMMA3_DEFAULTS: dict[str, Any] = {
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 262208,
    "max_position_embeddings": 131072,
    "sliding_window": 4096,
    "sliding_window_pattern": 6,
    "tie_word_embeddings": True,
}
_TEXT_NAMES = ("text_config", "language_config", "llm_config")
_TEXT_OF = {"llava": "llama", "multi_modality": "llama", "deepseek_vl": "llama", "deepseek_vl_hybrid": "llama"}
"""Language model types of families whose nested config may omit its type."""
_MINICPM_TEXT = {"2.5": "llama", "2.6": "qwen2", "4.0": "llama", "4.5": "qwen3"}
_DTYPES = {"float16": "float16", "half": "float16", "bfloat16": "bfloat16", "float32": "float32", "float": "float32"}


def read_shape(config: Mapping[str, Any], *, stored_bytes: int = 0, published: int = 0) -> Shape:
    """Read the shape of a model from its config.json.

    Args:
        config: The config.json.
        stored_bytes: Size of its weights in the checkpoint, 0 if unknown.
        published: Number of parameters as its makers publish it, 0 if unknown.

    Raises:
        ModelNotFound: `model_shape_incomplete` with the missing keys, `model_shape_wrong` with the value, or
            `model_type_unknown` with the known types.
    """
    if not isinstance(config, Mapping) or not (config.get("model_type") or config.get("architectures")):
        raise ModelNotFound("model_shape_incomplete", keys="model_type, architectures")
    try:
        return replace(_shape(config), stored_bytes=stored_bytes, published=published)
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:  # a value of an unexpected type
        raise ModelNotFound("model_shape_wrong", key="config.json", value=str(error)) from error


def _shape(config: Mapping[str, Any]) -> Shape:
    outer = Fields(config)
    model_type = outer.word("model_type")
    inner = outer.inner(*_TEXT_NAMES)
    text = _read_text(
        inner or outer,
        model_type=_text_type(outer, inner, model_type),
        nested=inner is not None,
        tied=_tied(outer, inner),
    )
    seen = outer.inner("vision_config")
    quantised = outer.inner("quantization_config", "compression_config")
    return Shape(
        model_type=model_type,
        dtype=_dtype(outer, inner),
        text=text,
        vision=read_vision(seen, outer, model_type=model_type, text=text) if seen else None,
        quantisation=_quantisation(quantised or (inner and inner.inner("quantization_config"))),
    )


def _text_type(outer: Fields, inner: Fields | None, model_type: str) -> str:
    if inner is not None:
        named = inner.word("model_type") or _TEXT_OF.get(model_type, "")
        # DeepSeek-VL2 leaves out its type. It is a DeepSeek-V2 in which MLA can be switched off.
        return named or ("deepseek_v2" if model_type == "deepseek_vl_v2" else "llama")
    if model_type == "minicpmv":
        return _MINICPM_TEXT.get(str(outer.values.get("version")), "")
    return model_type


def _tied(outer: Fields, inner: Fields | None) -> bool | None:
    """Return whether input and output embeddings are shared, or None if unknown.

    The outer config takes precedence, as in transformers for models of two parts.
    """
    if outer.word("model_type") in ("deepseek_vl", "deepseek_vl_hybrid", "multi_modality", "deepseek_vl_v2", "llava"):
        return False  # their checkpoints hold both embeddings, whatever the default of transformers
    given = outer.values.get("tie_word_embeddings")
    if given is None and inner is not None:
        given = inner.values.get("tie_word_embeddings")
    return None if given is None else bool(given)


def _dtype(outer: Fields, inner: Fields | None) -> str:
    for fields in (outer, inner):
        if fields is not None and (named := fields.word("dtype") or fields.word("torch_dtype")):
            return _DTYPES.get(named.removeprefix("torch."), "bfloat16")
    return "bfloat16"


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


def _read_text(fields: Fields, *, model_type: str, nested: bool, tied: bool | None = None) -> Text:
    """Read the language model that `fields` describe.

    Args:
        fields: Config of the language model.
        model_type: Its type.
        nested: Whether it is part of a larger config.
        tied: The outer config's setting for shared embeddings, if any.

    Raises:
        ModelNotFound: The type is unknown, or a size is missing or wrong.
    """
    kind = model_type.removesuffix("_text")
    if kind not in _KNOWN:
        raise ModelNotFound("model_type_unknown", model_type=model_type or "-", known=", ".join(_KNOWN))
    if nested and kind == "llama":
        fields = fields.with_defaults(_LLAMA_DEFAULTS)
    elif kind == "gemma3":
        fields = fields.with_defaults(_GEMMA3_DEFAULTS)
    fields.require(*_SIZES)
    return _TextReader(fields, kind, tied).text()


class _TextReader:
    def __init__(self, fields: Fields, kind: str, tied: bool | None) -> None:
        self.fields, self.kind = fields, kind
        self.hidden, self.layers, self.heads, self.intermediate, self.vocab = map(fields.number, _SIZES)
        if not all((self.hidden, self.layers, self.heads, self.vocab)) or self.layers > _MAX_LAYERS:
            value = ", ".join(str(fields.values[name]) for name in _SIZES)
            raise ModelNotFound("model_shape_wrong", key=f"{fields.path}{', '.join(_SIZES)}", value=value)
        self.kv_heads = fields.number("num_key_value_heads", default=self.heads) or self.heads
        self.head_dim = fields.number("head_dim", default=self.hidden // self.heads)
        if kind in _DEEPSEEK:  # head_dim in their config, if any, is the size of the rotated part
            self.head_dim = self.hidden // self.heads
        self.tied = fields.flag("tie_word_embeddings", default=bool(tied)) if tied is None else tied
        self.latent = kind in _DEEPSEEK and fields.flag("use_mla", default=True)
        self.experts = fields.number("num_experts", "n_routed_experts", default=0)
        self.expert_width = fields.number("moe_intermediate_size", default=0) if self.experts else 0

    def text(self) -> Text:
        """Return the language model."""
        return Text(
            model_type=self.kind,
            layers=self.layers,
            hidden=self.hidden,
            heads=self.heads,
            intermediate=max(self.intermediate, self._shared_width(), self.expert_width * self._per_token()),
            vocab=self.vocab,
            max_positions=self.fields.number("max_position_embeddings", default=0),
            cache=self._cache(),
            linear=self._linear(),
            tied=self.tied,
            experts=self.experts,
            experts_per_token=self._per_token(),
            routed=self._layers_with_experts() * self.experts * 3 * self.hidden * self.expert_width,
        )

    def _per_token(self) -> int:
        return self.fields.number("num_experts_per_tok", default=1) if self.experts else 0

    def _cache(self) -> Cache:
        if self.latent:
            width = self.fields.number("kv_lora_rank") + self.fields.number("qk_rope_head_dim")
            return Cache(self.layers, 1, width, latent=True)
        slides = self.fields.flag("use_sliding_window", default=self.kind in ("mistral", "gemma3"))
        window = self.fields.number("sliding_window", default=0) if slides else 0
        every = self.fields.number("sliding_window_pattern", default=0)
        full = self.layers // every if every else 0  # number of layers that keep every token
        kinds = self.fields.values.get("layer_types") or ["sliding_attention"] * (self.layers - full)
        sliding = sum(kind == "sliding_attention" for kind in kinds) if window else 0
        return Cache(self.layers, self.kv_heads, self.head_dim, window=window, window_layers=min(sliding, self.layers))

    def _linear(self) -> int:
        """Count the weights in the matrices of all layers, with latent attention as if it were ordinary attention."""
        sparse = self._layers_with_experts()
        attention = 2 * self.hidden * (self.heads + self.kv_heads) * self.head_dim
        expert_widths = self.experts * self.expert_width + self._shared_width()
        dense = (self.layers - sparse) * self.intermediate
        return self.layers * attention + 3 * self.hidden * (dense + sparse * expert_widths)

    def _layers_with_experts(self) -> int:
        if not self.experts:
            return 0
        first = self.fields.number("first_k_dense_replace", default=0)
        every = self.fields.number("decoder_sparse_step", "moe_layer_freq", default=1) or 1
        dense = self.fields.values.get("mlp_only_layers") or ()
        if self.kind in (*_DEEPSEEK, *_GLM_EXPERTS):
            return sum(layer >= first and layer % every == 0 for layer in range(self.layers))
        return sum(layer not in dense and (layer + 1) % every == 0 for layer in range(self.layers))

    def _shared_width(self) -> int:
        shared = self.fields.number("n_shared_experts", default=0) * self.expert_width
        return shared or self.fields.number("shared_expert_intermediate_size", default=0)
