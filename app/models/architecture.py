"""What the memory of a model follows from: layers, heads, experts, the vision tower, and how the weights are stored.

Values alone, with the few figures that follow from them. `app.models.config.parser` makes them from a config.json,
`app.models.memory` adds up what they cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal["embedding", "attention", "mlp", "experts", "norm", "lm_head", "vision", "merger"]
Place = Literal["first", "layers", "last", "both_ends", "every"]
Pictures = Literal["patches", "fixed", "tiles", "slices"]


@dataclass(frozen=True)
class Weights:
    """`count` numbers of one part of the model.

    `ways`: over how many cards tensor parallelism can divide them; 0 for any number, 1 where every card holds them all.
    `place`: on which stages of a pipeline they lie. `linear`: the matrix of a linear layer, which quantisation covers.
    """

    part: Part
    count: int
    ways: int = 1
    place: Place = "layers"
    linear: bool = False


@dataclass(frozen=True)
class Quantisation:
    """How a checkpoint's linear layers are stored. Each `group_size` numbers (0: a whole row) share a scale."""

    method: str
    bits: int
    group_size: int = 0
    zero_point: bool = False
    covers_vision: bool = False

    @property
    def bits_per_weight(self) -> float:
        """Bits of one number with its share of the 16-bit scale and of the zero point of its group."""
        if not self.group_size:
            return float(self.bits)
        return self.bits + (16 + (self.bits if self.zero_point else 0)) / self.group_size


@dataclass(frozen=True)
class Cache:
    """What attention keeps of every token: `per_layer` numbers for each of `heads` (latent attention: one latent)."""

    layers: int
    heads: int
    head_dim: int
    latent: bool = False
    window: int = 0
    """Tokens that the layers with a sliding window keep; 0 where every layer keeps all."""
    window_layers: int = 0

    @property
    def numbers_per_head(self) -> int:
        return self.head_dim if self.latent else 2 * self.head_dim

    def heads_per_card(self, cards: int) -> int:
        """vLLM gives a card at least one head: with more cards than heads, heads are kept twice."""
        return max(1, self.heads // cards)


@dataclass(frozen=True)
class Text:
    """The language model: sizes as config.json has them, `intermediate` the widest matrix that a token goes through."""

    model_type: str
    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocab: int
    tied: bool
    max_positions: int
    cache: Cache
    weights: tuple[Weights, ...]
    experts: int = 0
    experts_per_token: int = 0


@dataclass(frozen=True)
class Vision:
    """The vision tower, and what a picture costs in tokens.

    `pictures`: "patches" cost by their pixels, in squares of `unit_px` and up to `max_pixels`; "fixed" cost `tokens`
    each; "tiles" and "slices" are cut into up to `most_pieces` squares of `unit_px`, with `tokens` for each piece.
    `output`: numbers that a token leaves the tower with. `gated`: its layers have three matrices instead of two.
    """

    pictures: Pictures
    unit_px: int
    max_pixels: int
    depth: int
    hidden: int
    intermediate: int
    output: int
    weights: tuple[Weights, ...]
    tokens: int = 0
    most_pieces: int = 1
    gated: bool = False
    patches_per_token: int = 1

    def __post_init__(self) -> None:
        for name in ("unit_px", "patches_per_token", "most_pieces", "max_pixels"):
            if getattr(self, name) < 1:
                raise ValueError(f"vision_config: {name} = {getattr(self, name)}")


@dataclass(frozen=True)
class Shape:
    """A whole model. `dtype` is the one of its weights where they are not quantised."""

    architecture: str
    model_type: str
    dtype: str
    text: Text
    vision: Vision | None = None
    quantisation: Quantisation | None = None

    @property
    def weights(self) -> tuple[Weights, ...]:
        return self.text.weights + (self.vision.weights if self.vision else ())

    @property
    def parameters(self) -> int:
        return sum(weights.count for weights in self.weights)

    @property
    def active_parameters(self) -> int:
        """The numbers that one token meets: all of them, or with experts those of the chosen ones."""
        idle = 1 - self.text.experts_per_token / self.text.experts if self.text.experts else 0
        routed = sum(weights.count for weights in self.weights if weights.part == "experts")
        return self.parameters - round(routed * idle)

    def count(self, *parts: Part) -> int:
        return sum(weights.count for weights in self.weights if weights.part in parts)
