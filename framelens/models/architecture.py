"""Model shape: layers, heads, experts, the vision tower, and how the weights are stored.

Plain values with the few figures that follow from them. `framelens.models.config` builds them from a
config.json, `framelens.models.memory` adds up the memory that they need. Weights are counted roughly, by the matrices
of the layers and the embeddings; the size of a checkpoint or the catalogue's figure corrects the sum.
"""

import math
from dataclasses import dataclass
from typing import Literal

Pictures = Literal["patches", "pieces"]
_MAX_CARDS_PER_MACHINE = 8
_FRAME = (448, 252)
"""Width and height in pixels of the smallest frames that are sent: in requests with many frames, or to a CPU."""


@dataclass(frozen=True)
class Quantisation:
    """Storage of a checkpoint's linear layers; each `group_size` numbers (0: a whole row) share a scale."""

    method: str
    bits: int
    group_size: int = 0

    @property
    def bits_per_weight(self) -> float:
        """Return the bits of a number with its share of its group's scale and zero point."""
        return self.bits + (20 / self.group_size if self.group_size else 0.0)


@dataclass(frozen=True)
class Cache:
    """The KV cache per token: `numbers_per_head` numbers a layer for each of `heads` (latent attention: one latent).

    `is_whole` is False if some layers keep less of a request than all its tokens, for which the sum is an upper limit.
    """

    layers: int
    heads: int
    head_dim: int
    latent: bool = False
    is_whole: bool = True

    @property
    def numbers_per_head(self) -> int:
        """Return the count of numbers that a layer keeps of a token for each head."""
        return self.head_dim if self.latent else 2 * self.head_dim

    def heads_per_card(self, cards: int) -> int:
        """Return the number of heads on each card.

        vLLM gives a card at least one head: with more cards than heads, heads are kept twice.
        """
        return max(1, self.heads // cards)


@dataclass(frozen=True)
class Text:
    """The language model, with sizes as in config.json.

    Attributes:
        intermediate: Width of the widest matrix that a token passes through.
        linear: Number of weights in the matrices of its layers, which quantisation covers.
        routed: Number of these weights in experts, of which a token uses `experts_per_token` of `experts`.
        tied: Whether input and output share an embedding.
        layer_embeddings: Number of weights of embeddings that layers have of their own (Gemma 4).
        is_hybrid: Whether some layers have linear attention, which vLLM computes on a CPU in bfloat16 alone.
    """

    model_type: str
    layers: int
    hidden: int
    heads: int
    intermediate: int
    vocab: int
    max_positions: int
    cache: Cache
    linear: int
    tied: bool
    experts: int = 0
    experts_per_token: int = 0
    routed: int = 0
    layer_embeddings: int = 0
    is_hybrid: bool = False

    @property
    def embedding(self) -> int:
        """Return the number of weights of an embedding, at the input or at the output."""
        return self.vocab * self.hidden

    @property
    def embeddings(self) -> int:
        """Return the number of weights of all embeddings."""
        return self.embedding * (1 if self.tied else 2) + self.layer_embeddings


@dataclass(frozen=True)
class Vision:
    """The vision tower and the token cost of a picture.

    Attributes:
        pictures: How the tokens of a picture are counted. "patches": by its pixels, a token for each square of
            `unit_px`. "pieces": `tokens` for each square of `unit_px` that its area needs, and as many for a thumbnail
            if there are several.
        most_pieces: Most squares of a picture; larger pictures are scaled down.
        output: Numbers per token at the tower's output.
        gated: Whether its layers have three matrices instead of two.
    """

    pictures: Pictures
    unit_px: int
    tokens: int
    most_pieces: int
    depth: int
    hidden: int
    intermediate: int
    output: int
    gated: bool = False
    patches_per_token: int = 1

    def __post_init__(self) -> None:
        for name in ("unit_px", "patches_per_token", "most_pieces", "tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"vision_config: {name} = {getattr(self, name)}")

    @property
    def weights(self) -> int:
        """Return the number of weights in its layers and in the projection to the language model."""
        layers = self.depth * (4 * self.hidden**2 + (3 if self.gated else 2) * self.hidden * self.intermediate)
        merged = self.hidden * (self.patches_per_token if self.pictures == "patches" else 1)
        return layers + merged * (merged + self.output)

    @property
    def largest_tokens(self) -> int:
        """Return the tokens of the most costly picture that is accepted, with which vLLM measures its activations."""
        return self.most_pieces if self.pictures == "patches" else self._with_thumbnail(self.most_pieces)

    def image_tokens(self, width: int = _FRAME[0], height: int = _FRAME[1]) -> int:
        """Return about the tokens of a picture of so many pixels, without the marks around it; of a small frame."""
        if self.pictures == "patches":
            return self._patch_tokens(width, height)
        return self._with_thumbnail(min(self.most_pieces, math.ceil(width * height / self.unit_px**2)))

    def _with_thumbnail(self, pieces: int) -> int:
        return self.tokens * (1 + pieces if pieces > 1 else 1)

    def _patch_tokens(self, width: int, height: int) -> int:
        """Return the tokens after rounding the sides to whole tokens; a picture that is too large is scaled down."""
        unit = self.unit_px
        columns, rows = max(1, round(width / unit)), max(1, round(height / unit))
        if columns * rows > self.most_pieces:
            shrink = math.sqrt(self.most_pieces * unit**2 / (width * height))
            columns, rows = max(1, int(width * shrink / unit)), max(1, int(height * shrink / unit))
        return columns * rows


@dataclass(frozen=True)
class Shape:
    """A whole model.

    Attributes:
        dtype: Data type of its weights where they are not quantised.
        published: Number of parameters as its makers publish it, 0 if unknown.
        stored_bytes: Size of its weights in the checkpoint, 0 if unknown.
    """

    model_type: str
    dtype: str
    text: Text
    vision: Vision | None = None
    quantisation: Quantisation | None = None
    published: int = 0
    stored_bytes: int = 0

    @property
    def parameters(self) -> int:
        """Return the total number of weights: published, else counted."""
        return self.published or self.text.linear + self.text.embeddings + (self.vision.weights if self.vision else 0)

    @property
    def active_parameters(self) -> int:
        """Return the number of weights that a token uses: all, or with experts only the chosen experts'."""
        idle = 1 - self.text.experts_per_token / self.text.experts if self.text.experts else 0
        return self.parameters - round(self.text.routed * idle)

    def tensor_sizes(self, cards: int) -> tuple[int, ...]:
        """Return the tensor parallel sizes up to `cards` with which vLLM divides every layer, ascending from 1.

        Heads are divided: their number must be a multiple of the size, and the number of the cache's heads a multiple
        or a divisor of it, unless attention is latent. A quantised layer is divided between its groups.
        """
        return tuple(size for size in range(1, cards + 1) if size == 1 or self._is_divisible(size))

    def ways_to_divide(self, cards: int) -> tuple[int, int]:
        """Return the tensor and pipeline parallel sizes for `cards` cards.

        Cards beyond eight are usually in another machine, where only a pipeline is fast enough.
        """
        tensor = max(size for size in self.tensor_sizes(min(cards, _MAX_CARDS_PER_MACHINE)) if cards % size == 0)
        return tensor, cards // tensor

    def _is_divisible(self, size: int) -> bool:
        text, cache = self.text, self.text.cache
        part = size * ((self.quantisation.group_size if self.quantisation else 0) or 1)
        if text.heads % size or text.intermediate % part:
            return False
        are_shared = cache.heads % size == 0 or size % cache.heads == 0
        return cache.latent or (are_shared and text.heads * cache.head_dim % part == 0)
