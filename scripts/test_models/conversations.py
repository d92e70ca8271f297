"""Turn drawn prompts and encoded cards into training batches: token ids, goals, 3-D positions, and where to look.

The language model trains on what the real pipeline would feed it, so the layout comes from the chat template and the
positions follow Qwen2.5-VL: a text token takes the next place on all three axes, a picture spreads over two of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from test_models.cards import NAMES
from test_models.prompts import MAX_FRAMES, answer, conversation
from test_models.vision import SHAPES, SHARES, SeenCards
from test_models.vocabulary import END_OF_TEXT, FRAME_CELL, FRAME_END, TURN_END, TURN_START

IGNORED = -100  # the goal of a token that is given, not answered
AHEAD = 6  # batches sorted by length at a time, so that little of a batch is padding
NO_FRAMES = 0.1
# Guides: a head of a layer, and where it should look.
GUIDES = {
    "own number": (0, 0),  # from a colour of the answer to the list number before it
    "own frame": (2, 0),  # from list number k to the end of frame k
    "next frame": (2, 1),  # from the end of item k to the end of frame k + 1; to the assistant's turn if there is none
    "count": (0, 1),  # from the end of frame k to all ends so far, and three times as much to both turns before:
    "count again": (1, 0),  # the share of the ends, k / (k + 6), is the frame's number
}
GUIDE_NAMES = list(GUIDES)


@dataclass
class Example:
    """One conversation with its answer. `frames`: (place of its end, number from 0, colour) of each picture.

    `looks`: (index of the guide, place that looks, place looked at); a repeated entry counts several times.
    """

    ids: list[int] = field(default_factory=list)
    goals: list[int] = field(default_factory=list)
    positions: list[tuple[int, int, int]] = field(default_factory=list)
    frames: list[tuple[int, int, int]] = field(default_factory=list)
    looks: list[tuple[int, int, int]] = field(default_factory=list)
    cells: list[torch.Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """ids, goals: (b, length). positions: (3, b, length). frames, looks: (4, n), the row of the batch in front."""

    ids: torch.Tensor
    goals: torch.Tensor
    positions: torch.Tensor
    frames: torch.Tensor
    looks: torch.Tensor
    cells: torch.Tensor


class Source:
    """Draws batches of conversations over the encoded cards."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, pools: list[SeenCards], rng: np.random.Generator) -> None:
        self.tokenizer, self.pools, self.rng = tokenizer, pools, rng
        number = tokenizer.convert_tokens_to_ids
        self.cell, self.frame_end, self.turn = number(FRAME_CELL), number(FRAME_END), number(TURN_START)
        self.padding = number(END_OF_TEXT)

    def batches(self, size: int, *, max_frames: int = MAX_FRAMES, long: bool = False) -> list[Batch]:
        """Yield AHEAD batches of `size` conversations with up to `max_frames` frames, in random order."""
        counts = self.rng.integers(1, max_frames + 1, AHEAD * size) * (self.rng.random(AHEAD * size) > NO_FRAMES)
        drawn = sorted((self.example(int(n), long=long) for n in counts), key=lambda example: len(example.ids))
        return [self._stack(drawn[i * size : (i + 1) * size]) for i in self.rng.permutation(AHEAD)]

    def example(self, num_frames: int, *, long: bool) -> Example:
        shapes = self.rng.choice(len(SHAPES), size=num_frames, p=SHARES)
        if self.rng.random() < 0.85:
            shapes[:] = shapes[:1]  # the frames of a video have one size
        cards = [(int(shape), int(self.rng.integers(len(self.pools[shape].colours)))) for shape in shapes]
        colours = [int(self.pools[shape].colours[card]) for shape, card in cards]
        example = Example(cells=[self.pools[shape].cells[card] for shape, card in cards])
        turns = self._prompt(example, long, shapes, colours)
        self._answer(example, turns, colours)
        return example

    def _prompt(self, example: Example, long: bool, shapes: np.ndarray, colours: list[int]) -> list[int]:
        """Fill in the prompt and return the places where the system's, user's and assistant's turns begin."""
        messages = conversation(self.rng, len(colours), long=long)
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        jumps = [0, *np.where(self.rng.random(2) < 0.25, self.rng.integers(0, 1000, 2), 0).tolist()]
        turns: list[int] = []
        position = seen = 0
        for token in self.tokenizer.encode(text, add_special_tokens=False):
            if token == self.turn:
                position += jumps[len(turns)]  # as if the turn before had been longer
                turns.append(len(example.ids))
            if token == self.cell:
                rows, columns = SHAPES[shapes[seen]]
                grid = np.ndindex(rows, columns)
                example.positions += [(position, position + row, position + column) for row, column in grid]
                example.ids += [token] * (rows * columns)
                position += max(rows, columns)
                continue
            if token == self.frame_end:
                example.frames.append((len(example.ids), seen, colours[seen]))
                seen += 1
            example.ids.append(token)
            example.positions.append((position,) * 3)
            position += 1
        return turns

    def _answer(self, example: Example, turns: list[int], colours: list[int]) -> None:
        text = answer([NAMES[colour] for colour in colours]) + TURN_END
        tokens = self.tokenizer.encode(text, add_special_tokens=False)
        start, position = len(example.ids), example.positions[-1][0] + 1
        example.goals = [IGNORED] * (start - 1) + tokens + [IGNORED]
        example.ids += tokens
        example.positions += [(position + i,) * 3 for i in range(len(tokens))]
        example.looks = list(_looks(start, turns, [place for place, _, _ in example.frames]))

    def _stack(self, examples: list[Example]) -> Batch:
        length = max(len(example.ids) for example in examples)

        def padded(name: str, filler: object) -> torch.Tensor:
            rows = [getattr(example, name) for example in examples]
            return torch.tensor([row + [filler] * (length - len(row)) for row in rows])

        def indexed(name: str) -> torch.Tensor:
            return torch.tensor([(b, *entry) for b, each in enumerate(examples) for entry in getattr(each, name)]).T

        cells = [cell for example in examples for cell in example.cells]
        return Batch(
            ids=padded("ids", self.padding),
            goals=padded("goals", IGNORED),
            positions=padded("positions", (0, 0, 0)).permute(2, 0, 1).contiguous(),
            frames=indexed("frames"),
            looks=indexed("looks"),
            cells=torch.cat(cells) if cells else torch.empty(0),
        )


def _looks(start: int, turns: list[int], ends: list[int]) -> list[tuple[int, int, int]]:
    """Return the entries of Example.looks for an answer that begins at `start`: "k:", colour, "; " for every frame."""
    own_number, own_frame, next_frame, *counting = range(len(GUIDE_NAMES))
    following = [*ends, turns[2]]
    looks = [(next_frame, start - 1, following[0])]
    for k, end in enumerate(ends):
        number, colour = start + 3 * k, start + 3 * k + 1
        looks += [(own_number, colour, number), (own_frame, number, end), (next_frame, colour, following[k + 1])]
        looks += [(guide, end, goal) for guide in counting for goal in turns[:2] * 3 + ends[: k + 1]]
    return looks
