"""Language model part of a config.json: sizes, cache, and the weights counted part by part.

Supported are the Llama and Qwen lines and DeepSeek's with latent attention, dense or with experts. Their differences
(biases, norms of queries and keys, shared experts) follow transformers; tests compare the counts with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.core import ModelNotFound
from app.models.architecture import Cache, Text, Weights
from app.models.config.fields import Fields

_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
_MAX_LAYERS = 1000  # a safety limit; chosen by hand, not tuned
_BIASED = ("qwen2", "qwen2_moe", "qwen2_vl", "qwen2_5_vl")
"""Types whose queries, keys and values have a bias that config.json doesn't mention."""
_NORMED = ("qwen3", "qwen3_moe", "qwen3_vl", "qwen3_vl_moe")
"""Types whose queries and keys are normalised, each with `head_dim` numbers."""
_DEEPSEEK = ("deepseek_v2", "deepseek_v3")
KNOWN = ("llama", "mistral", *_BIASED, *_NORMED, *_DEEPSEEK)
# Defaults of transformers for a Llama inside another model whose config leaves sizes out.
_LLAMA_DEFAULTS: dict[str, Any] = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
}


def read_text(fields: Fields, *, model_type: str, nested: bool, tied: bool | None = None) -> Text:
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
    if kind not in KNOWN:
        raise ModelNotFound("model_type_unknown", model_type=model_type or "-", known=", ".join(KNOWN))
    if nested and kind == "llama":
        fields = fields.with_defaults(_LLAMA_DEFAULTS)
    fields.require(*_SIZES)
    return _Reader(fields, kind, tied).text()


class _Reader:
    def __init__(self, fields: Fields, kind: str, tied: bool | None) -> None:
        self.fields, self.kind = fields, kind
        self.hidden, self.layers, self.heads, self.intermediate, self.vocab = map(fields.number, _SIZES)
        if not all((self.hidden, self.layers, self.heads, self.vocab)) or self.layers > _MAX_LAYERS:
            value = ", ".join(str(fields.values[name]) for name in _SIZES)
            raise ModelNotFound("model_shape_wrong", key=f"{fields.path}{', '.join(_SIZES)}", value=value)
        self.kv_heads = fields.number("num_key_value_heads", default=self.heads) or self.heads
        self.head_dim = fields.number("head_dim", default=self.hidden // self.heads)
        if kind in _DEEPSEEK:  # their head_dim, where one is written, is that of the rotated part
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
            tied=self.tied,
            max_positions=self.fields.number("max_position_embeddings", default=0),
            cache=self._cache(),
            weights=tuple(weights for weights in self._weights() if weights.count),
            experts=self.experts,
            experts_per_token=self._per_token(),
        )

    def _per_token(self) -> int:
        return self.fields.number("num_experts_per_tok", default=1) if self.experts else 0

    def _cache(self) -> Cache:
        if self.latent:
            width = self.fields.number("kv_lora_rank") + self.fields.number("qk_rope_head_dim")
            return Cache(self.layers, 1, width, latent=True)
        slides = self.fields.flag("use_sliding_window", default=self.kind == "mistral")
        window = self.fields.number("sliding_window", default=0) if slides else 0
        kinds = self.fields.values.get("layer_types") or ["sliding_attention"] * self.layers
        sliding = sum(kind == "sliding_attention" for kind in kinds) if window else 0
        return Cache(self.layers, self.kv_heads, self.head_dim, window=window, window_layers=min(sliding, self.layers))

    def _weights(self) -> Iterator[Weights]:
        embedding = self.vocab * self.hidden
        yield Weights("embedding", embedding, ways=0, place="both_ends" if self.tied else "first")
        if not self.tied:
            yield Weights("lm_head", embedding, ways=0, place="last")
        yield Weights("norm", self.hidden, place="last")
        yield Weights("norm", self.layers * 2 * self.hidden)
        yield from self._latent_attention() if self.latent else self._attention()
        sparse = self._layers_with_experts()
        yield Weights("mlp", (self.layers - sparse) * 3 * self.hidden * self.intermediate, ways=0, linear=True)
        if self.fields.flag("mlp_bias"):
            yield Weights("mlp", (self.layers - sparse) * (2 * self.intermediate + self.hidden))
        yield from self._mixture(sparse)

    def _attention(self) -> Iterator[Weights]:
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        yield Weights("attention", self.layers * 2 * self.hidden * queries, ways=0, linear=True)
        yield Weights("attention", self.layers * 2 * self.hidden * keys, ways=self.kv_heads, linear=True)
        biased = self.fields.flag("attention_bias")
        if biased or self.kind in _BIASED:
            yield Weights("attention", self.layers * (queries + 2 * keys))
        if biased and self.kind not in _BIASED:
            yield Weights("attention", self.layers * self.hidden)
        if self.kind in _NORMED:
            yield Weights("norm", self.layers * 2 * self.head_dim)

    def _latent_attention(self) -> Iterator[Weights]:
        number = self.fields.number
        latent, rotated = number("kv_lora_rank"), number("qk_rope_head_dim")
        plain, values, squeezed = number("qk_nope_head_dim"), number("v_head_dim"), number("q_lora_rank", default=0)
        queries = self.heads * (plain + rotated)
        if squeezed:
            yield Weights("attention", self.layers * self.hidden * squeezed, linear=True)
            yield Weights("norm", self.layers * squeezed)
        yield Weights("attention", self.layers * (squeezed or self.hidden) * queries, ways=0, linear=True)
        yield Weights("attention", self.layers * self.hidden * (latent + rotated), linear=True)
        yield Weights("norm", self.layers * latent)
        yield Weights("attention", self.layers * latent * self.heads * (plain + values), ways=0, linear=True)
        yield Weights("attention", self.layers * self.heads * values * self.hidden, ways=0, linear=True)

    def _layers_with_experts(self) -> int:
        if not self.experts:
            return 0
        first = self.fields.number("first_k_dense_replace", default=0)
        every = self.fields.number("decoder_sparse_step", "moe_layer_freq", default=1) or 1
        dense = self.fields.values.get("mlp_only_layers") or ()
        if self.kind in _DEEPSEEK:
            return sum(layer >= first and layer % every == 0 for layer in range(self.layers))
        return sum(layer not in dense and (layer + 1) % every == 0 for layer in range(self.layers))

    def _shared_width(self) -> int:
        shared = self.fields.number("n_shared_experts", default=0) * self.expert_width
        return shared or self.fields.number("shared_expert_intermediate_size", default=0)

    def _mixture(self, sparse: int) -> Iterator[Weights]:
        each = 3 * self.hidden * self.expert_width
        yield Weights("experts", sparse * self.experts * each, ways=0, linear=True)
        yield Weights("mlp", sparse * 3 * self.hidden * self._shared_width(), ways=0, linear=True)
        yield Weights("mlp", sparse * self.experts * self.hidden)  # the router
        if self.kind == "qwen2_moe":
            yield Weights("mlp", sparse * self.hidden)  # the gate of the shared expert
        if self.kind == "deepseek_v3":
            yield Weights("mlp", sparse * self.experts)  # a correction for each expert
