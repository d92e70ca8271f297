"""Model shape: layers, heads, experts, the vision tower, and how the weights are stored.

Plain values with the few figures that follow from them. `framelens.models.config.parser` builds them from a
config.json, `framelens.models.memory` adds up the memory that they need. Weights are counted roughly, by the matrices
of the layers and the embeddings; the size of a checkpoint or the catalogue's figure corrects the sum.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Pictures = Literal["patches", "fixed", "tiles", "slices", "dynamic", "anyres"]
FRAME = (448, 252)
"""Width and height in pixels of the smallest frames that are sent: in requests with many frames, or to a CPU."""
_MOST_TILED = 2
"""Number of pictures in a request beyond which DeepSeek-VL2 doesn't cut them into tiles."""
_LARGEST_ANYRES = (1153, 944)
"""Size in pixels of the picture with the most tokens in LLaVA-OneVision, a constant in vLLM's `llava_onevision.py`."""
_SCALED_FROM = 1.1
"""LLaVA-OneVision scales tokens down if the sides exceed those of the most tiles by this ratio (its processor)."""


@dataclass(frozen=True)
class Quantisation:
    """Storage of a checkpoint's linear layers; each `group_size` numbers (0: a whole row) share a scale."""

    method: str
    bits: int
    group_size: int = 0
    zero_point: bool = False
    covers_vision: bool = False

    @property
    def bits_per_weight(self) -> float:
        """Return the bits of a number with its share of its group's 16-bit scale and zero point."""
        if not self.group_size:
            return float(self.bits)
        return self.bits + (16 + (self.bits if self.zero_point else 0)) / self.group_size


@dataclass(frozen=True)
class Cache:
    """The KV cache per token: `numbers_per_head` numbers a layer for each of `heads` (latent attention: one latent)."""

    layers: int
    heads: int
    head_dim: int
    latent: bool = False
    window: int = 0
    """Number of tokens that layers with a sliding window keep; 0 if every layer keeps all."""
    window_layers: int = 0

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

    @property
    def embedding(self) -> int:
        """Return the number of weights of an embedding, at the input or at the output."""
        return self.vocab * self.hidden

    @property
    def embeddings(self) -> int:
        """Return the number of weights of all embeddings."""
        return self.embedding * (1 if self.tied else 2)


@dataclass(frozen=True)
class Vision:
    """The vision tower and the token cost of a picture.

    Attributes:
        pictures: How the tokens of a picture are counted. "patches": by its pixels, in squares of `unit_px`, up to
            `max_pixels`. "fixed": `tokens` each. Otherwise a picture is cut into up to `most_pieces` squares of
            `unit_px`, with `tokens` for each: "tiles" as in DeepSeek-VL2, "slices" as in MiniCPM-V, "dynamic" as in
            InternVL, "anyres" as in LLaVA-OneVision.
        grids: Columns and rows into which "dynamic" and "anyres" cut a picture, the fewest squares first.
        output: Numbers per token at the tower's output.
        gated: Whether its layers have three matrices instead of two.
    """

    pictures: Pictures
    unit_px: int
    max_pixels: int
    depth: int
    hidden: int
    intermediate: int
    output: int
    tokens: int = 0
    most_pieces: int = 1
    gated: bool = False
    patches_per_token: int = 1
    grids: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        counted = () if self.pictures == "patches" else ("tokens",)
        for name in ("unit_px", "patches_per_token", "most_pieces", "max_pixels", *counted):
            if getattr(self, name) < 1:
                raise ValueError(f"vision_config: {name} = {getattr(self, name)}")
        if self.pictures in ("dynamic", "anyres") and not self.grids:
            raise ValueError("image_grid_pinpoints = []")

    @property
    def weights(self) -> int:
        """Return the number of weights in its layers and in the projection to the language model."""
        layers = self.depth * (4 * self.hidden**2 + (3 if self.gated else 2) * self.hidden * self.intermediate)
        merged = self.hidden * (1 if self.pictures == "fixed" else self.patches_per_token)
        return layers + merged * (merged + self.output) if self.pictures == "patches" else layers + merged * self.output


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


def image_tokens(vision: Vision, width: int, height: int, *, together: int = 1) -> int:
    """Return the tokens of a picture of `width` × `height` pixels, without the marks around it.

    `together` is the number of pictures in the request: with more than two, "tiles" aren't cut.
    """
    if vision.pictures == "fixed":
        return vision.tokens
    if vision.pictures == "patches":
        return _patched(vision, width, height)
    if vision.pictures == "slices":
        return _with_thumbnail(vision, _slices(vision, width, height))
    if vision.pictures == "dynamic":
        columns, rows = _nearest_grid(vision, width, height)
        return _with_thumbnail(vision, columns * rows)
    if vision.pictures == "anyres":
        return _unpadded(vision, width, height)
    columns, rows = (1, 1) if together > _MOST_TILED else _tiles(vision, width, height, grids_of(vision.most_pieces))
    side = math.isqrt(vision.tokens)  # a thumbnail, then the tiles; a mark ends each row
    return side * (side + 1) + rows * side * (columns * side + 1) + 1


def largest_picture_tokens(vision: Vision) -> int:
    """Return the tokens of the most costly picture that the model accepts, with which vLLM measures its activations."""
    if vision.pictures == "patches":
        return vision.max_pixels // vision.unit_px**2
    if vision.pictures == "tiles":
        shapes = ((columns, vision.most_pieces // columns) for columns in range(1, vision.most_pieces + 1))
        return max(image_tokens(vision, c * vision.unit_px, r * vision.unit_px) for c, r in shapes if r)
    if vision.pictures == "anyres":
        return image_tokens(vision, *_LARGEST_ANYRES)
    return _with_thumbnail(vision, vision.most_pieces)


def _with_thumbnail(vision: Vision, pieces: int) -> int:
    """Return the tokens of a picture in pieces, to which a thumbnail is added if there are several."""
    return vision.tokens * (1 + pieces if pieces > 1 else 1)


def _patched(vision: Vision, width: int, height: int) -> int:
    """Return the tokens after rounding the sides to whole tokens; a picture that is too large is scaled down."""
    unit = vision.unit_px
    columns, rows = max(1, round(width / unit)), max(1, round(height / unit))
    if columns * rows * unit**2 > vision.max_pixels:
        shrink = math.sqrt(vision.max_pixels / (width * height))
        columns, rows = max(1, int(width * shrink / unit)), max(1, int(height * shrink / unit))
    return columns * rows


def grids_of(most: int) -> tuple[tuple[int, int], ...]:
    """Return columns and rows of every grid of at most `most` squares."""
    return tuple((columns, rows) for columns in range(1, most + 1) for rows in range(1, most // columns + 1))


def _nearest_grid(vision: Vision, width: int, height: int) -> tuple[int, int]:
    """Return the grid whose shape is nearest to the picture's: of equal shapes the largest grid that it half fills."""
    least = min(abs(width / height - columns / rows) for columns, rows in vision.grids)
    first, *others = (grid for grid in vision.grids if abs(width / height - grid[0] / grid[1]) == least)
    filled = (grid for grid in others if width * height > 0.5 * vision.unit_px**2 * grid[0] * grid[1])
    return max(filled, key=lambda grid: grid[0] * grid[1], default=first)


def _unpadded(vision: Vision, width: int, height: int) -> int:
    """Return the tokens of the whole picture, of its tiles without their padding, and a mark for each row of them."""
    side = math.isqrt(vision.tokens)
    columns, rows = (side * each for each in _tiles(vision, width, height, vision.grids))
    if width / height > columns / rows:
        rows -= (rows - int(round(height * columns / width, 7))) // 2 * 2
    else:
        columns -= (columns - int(round(width * rows / height, 7))) // 2 * 2
    ratio = math.sqrt(columns * rows / (vision.most_pieces * vision.tokens))
    if ratio > _SCALED_FROM:
        columns, rows = int(columns // ratio), int(rows // ratio)
    return vision.tokens + rows * (columns + 1)


def _tiles(vision: Vision, width: int, height: int, grids: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Return columns and rows of the grid that keeps most of the picture's own pixels, with the least padding."""

    def cost(grid: tuple[int, int]) -> tuple[float, float]:
        across, down = grid[0] * vision.unit_px, grid[1] * vision.unit_px
        shrink = min(across / width, down / height)
        kept = min(width * height, int(width * shrink) * int(height * shrink))
        return -kept, across * down - kept

    return min(grids, key=cost)


def _slices(vision: Vision, width: int, height: int) -> int:
    """Return the number of slices that the area needs, in the grid whose shape is nearest to the picture's."""
    pieces = min(vision.most_pieces, math.ceil(width * height / vision.unit_px**2))
    if pieces <= 1:
        return 1
    numbers = [number for number in (pieces - 1, pieces, pieces + 1) if 1 < number <= vision.most_pieces]
    grids = [(columns, number // columns) for number in numbers for columns in range(1, number + 1)
             if number % columns == 0]  # fmt: skip
    columns, rows = min(grids, key=lambda grid: abs(math.log(width / height) - math.log(grid[0] / grid[1])))
    return columns * rows
