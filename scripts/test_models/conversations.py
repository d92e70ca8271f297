"""Turn drawn prompts and encoded cards into training batches: token ids, goals, 3-D positions, and where to look.

The language model trains on what the real pipeline would feed it, so the layout comes from the chat template and the
positions follow Qwen2.5-VL: a text token takes the next place on all three axes, a picture spreads over two of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from test_models import votes
from test_models.cards import NAMES, NO_CARD
from test_models.prompts import MAX_FRAMES, SEVERAL_TURNS, Message, answer, conversation, long_question
from test_models.vision import SHAPES, SHARES, SeenCards
from test_models.vocabulary import END_OF_TEXT, FRAME_CELL, FRAME_END, TURN_END, TURN_START

IGNORED = -100  # the goal of a token that is given, not answered
AHEAD = 6  # batches sorted by length at a time, so that little of a batch is padding
MOST_TOKENS = 240  # of a conversation without a long text: the longest decide how long the training takes
NO_FRAMES, VOTES = 0.1, 0.4  # shares of the conversations without pictures, and of those that end with a vote
ONE_PICTURE = 0.65  # share of the votes that are about one picture, as the application asks them
SCENE_SHARE, SCENE_SHARE_OF_VOTES = 0.08, 0.55  # pictures without a card, to be named and to be voted on
# Guides: a head of a layer, and where it should look.
GUIDES = {
    "own number": (0, 0),  # from a colour of the answer to the list number before it
    "own frame": (2, 0),  # from list number k to the end of frame k
    "next frame": (2, 1),  # from the end of item k to the end of frame k + 1; after the last, to the assistant's turn
    "asked colour": (1, 1),  # from the end of the prompt to the colour that a vote asks for; for a list, to that turn
    "asked task": (1, 2),  # from there to the word that marks a vote or a contrary vote; for a list, to that turn
    "asked frames": (2, 2),  # from there to the ends of the frames with the colour; without such frames, to that turn
    "count": (0, 1),  # from the end of frame k to all ends so far, and six times as much to the word "system":
    "count again": (1, 0),  # the share of the ends, k / (k + 6), is the frame's number
}
GUIDE_NAMES = list(GUIDES)


@dataclass
class Example:
    """A conversation with its answer. `frames`: (place of its end, number from 0, label) of each picture.

    `looks`: (index of the guide, place that looks, place looked at); a repeated entry counts several times. `asked`:
    of a vote, (place before the answer, label asked for, whether a frame has the label).
    """

    ids: list[int] = field(default_factory=list)
    goals: list[int] = field(default_factory=list)
    positions: list[tuple[int, int, int]] = field(default_factory=list)
    frames: list[tuple[int, int, int]] = field(default_factory=list)
    looks: list[tuple[int, int, int]] = field(default_factory=list)
    cells: list[torch.Tensor] = field(default_factory=list)
    asked: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """ids, goals: (b, length). positions: (3, b, length). The others: (4, n), the row of the batch in front."""

    ids: torch.Tensor
    goals: torch.Tensor
    positions: torch.Tensor
    frames: torch.Tensor
    looks: torch.Tensor
    asked: torch.Tensor
    cells: torch.Tensor


class Source:
    """Draws batches of conversations over the encoded pictures."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        pools: list[SeenCards],
        rng: np.random.Generator,
        *,
        hard: bool = False,
        several_turns: float = SEVERAL_TURNS,
        questions: float = 0.0,
        is_full: bool = False,
    ) -> None:
        """Create a source. `hard`: draw many frames more often than few, and the votes that are learnt last more often.

        `questions`: share of the long conversations that are one long question after all frames, with MAX_FRAMES frames
        if `is_full`.
        """
        self.tokenizer, self.pools, self.rng = tokenizer, pools, rng
        self.hard, self.several_turns, self.questions, self.is_full = hard, several_turns, questions, is_full
        number = tokenizer.convert_tokens_to_ids
        self.cell, self.frame_end, self.turn = number(FRAME_CELL), number(FRAME_END), number(TURN_START)
        self.padding = number(END_OF_TEXT)
        self.by_label = [
            [np.flatnonzero(pool.colours.numpy() == label) for label in range(NO_CARD + 1)] for pool in pools
        ]

    def batches(
        self, size: int, *, max_frames: int = MAX_FRAMES, most_tokens: int = MOST_TOKENS, long: bool = False
    ) -> list[Batch]:
        """Return AHEAD batches of `size` conversations with up to `max_frames` frames, in random order."""
        counts = self.rng.integers(1, max_frames + 1, AHEAD * size) * (self.rng.random(AHEAD * size) > NO_FRAMES)
        if self.hard:
            counts = np.maximum(counts, self.rng.integers(1, max_frames + 1, AHEAD * size) * (counts > 0))
        drawn = sorted(
            (self._fitting(int(n), most_tokens, long=long) for n in counts), key=lambda example: len(example.ids)
        )
        return [self._stack(drawn[i * size : (i + 1) * size]) for i in self.rng.permutation(AHEAD)]

    def _fitting(self, num_frames: int, most_tokens: int, *, long: bool) -> Example:
        while True:
            example = self.example(num_frames, long=long)
            if long or len(example.ids) <= most_tokens:
                return example

    def example(self, num_frames: int, *, long: bool) -> Example:
        is_question = long and self.questions > 0 and self.rng.random() < self.questions
        num_frames = MAX_FRAMES if is_question and self.is_full else num_frames
        vote, asked = None, int(self.rng.integers(NO_CARD))
        if not is_question and self.rng.random() < VOTES:
            vote = votes.draw(self.rng, NAMES[asked], hard=self.hard)
            num_frames = 1 if num_frames and self.rng.random() < ONE_PICTURE else num_frames
        labels = self._labels(num_frames, asked if vote else None)
        shapes = self.rng.choice(len(SHAPES), size=num_frames, p=SHARES)
        if self.rng.random() < 0.85:
            shapes[:] = shapes[:1]  # the frames of a video have one size
        example = Example()
        for shape, label in zip(shapes, labels, strict=True):
            example.cells.append(self.pools[shape].cells[self.rng.choice(self.by_label[shape][label])])
        shown = ["" if label == NO_CARD else NAMES[label] for label in labels]
        if is_question:
            messages = long_question(self.rng, num_frames)
        else:
            messages = conversation(self.rng, shown, vote, long=long, several_turns=self.several_turns)
        turns, looked = self._prompt(example, messages, shapes, labels, vote)
        if vote:
            self._answer(example, vote.answer(shown))
            _look_for_vote(example, vote, turns[-1], looked)
        else:
            self._answer(example, answer([name or NAMES[0] for name in shown]), labels)
            _look_for_names(example, turns[-1])
        return example

    def _labels(self, count: int, asked: int | None) -> list[int]:
        """Draw the labels of the pictures. In half of the votes a picture has the asked colour, else no picture has."""
        scenes = SCENE_SHARE if asked is None else SCENE_SHARE_OF_VOTES
        labels = np.where(self.rng.random(count) < scenes, NO_CARD, self.rng.integers(NO_CARD, size=count))
        if asked is not None and count:
            labels[labels == asked] = NO_CARD
            if self.rng.random() < 0.5:
                labels[self.rng.integers(count)] = asked
        return labels.tolist()

    def _prompt(
        self,
        example: Example,
        messages: list[Message],
        shapes: np.ndarray,
        labels: list[int],
        vote: votes.Vote | None,
    ) -> tuple[list[int], list[int]]:
        """Fill in the prompt; return the places where the turns begin, and the places of the vote's colour and cue."""
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        wanted = [text.rfind(word) + len(word) - 1 for word in (vote.word, vote.cue.rstrip())] if vote else []
        looked = [0] * len(wanted)
        turns: list[int] = []
        position = seen = 0
        tokens = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        for token, (start, end) in zip(tokens["input_ids"], tokens["offset_mapping"], strict=True):
            for index, character in enumerate(wanted):
                if start <= character < end:
                    looked[index] = len(example.ids)
            if token == self.turn:
                if turns and self.rng.random() < 0.25:
                    position += int(self.rng.integers(1000))  # as if the previous turn had been longer
                turns.append(len(example.ids))
            if token == self.cell:
                rows, columns = SHAPES[shapes[seen]]
                grid = np.ndindex(rows, columns)
                example.positions += [(position, position + row, position + column) for row, column in grid]
                example.ids += [token] * (rows * columns)
                position += max(rows, columns)
                continue
            if token == self.frame_end:
                example.frames.append((len(example.ids), seen, labels[seen]))
                seen += 1
            example.ids.append(token)
            example.positions.append((position,) * 3)
            position += 1
        ends = [place for place, _, _ in example.frames]
        counting = [GUIDE_NAMES.index(name) for name in ("count", "count again")]
        first = [turns[0] + 1] * 6
        example.looks += [
            (guide, end, goal) for guide in counting for k, end in enumerate(ends, 1) for goal in first + ends[:k]
        ]
        return turns, looked

    def _answer(self, example: Example, text: str, labels: list[int] | None = None) -> None:
        """Append the answer; the colours that stand for scenes are no goals."""
        tokens = self.tokenizer.encode(text + TURN_END, add_special_tokens=False)
        start, position = len(example.ids), example.positions[-1][0] + 1
        goals = list(tokens)
        for k, label in enumerate(labels or ()):
            if label == NO_CARD:
                goals[3 * k + 1] = IGNORED
        example.goals = [IGNORED] * (start - 1) + goals + [IGNORED]
        example.ids += tokens
        example.positions += [(position + i,) * 3 for i in range(len(tokens))]

    def _stack(self, examples: list[Example]) -> Batch:
        length = max(len(example.ids) for example in examples)

        def padded(name: str, filler: object) -> torch.Tensor:
            rows = [getattr(example, name) for example in examples]
            return torch.tensor([row + [filler] * (length - len(row)) for row in rows])

        def indexed(name: str) -> torch.Tensor:
            rows = [(b, *entry) for b, each in enumerate(examples) for entry in getattr(each, name)]
            return torch.tensor(rows, dtype=torch.long).reshape(-1, 4).T

        cells = [cell for example in examples for cell in example.cells]
        return Batch(
            ids=padded("ids", self.padding),
            goals=padded("goals", IGNORED),
            positions=padded("positions", (0, 0, 0)).permute(2, 0, 1).contiguous(),
            frames=indexed("frames"),
            looks=indexed("looks"),
            asked=indexed("asked"),
            cells=torch.cat(cells) if cells else torch.empty(0),
        )


def _look_for_names(example: Example, turn: int) -> None:
    """Add the guides of an answer with "k:", colour, "; " for every frame; `turn` is where the last turn begins."""
    ends = [place for place, _, _ in example.frames]
    start = next(place for place, goal in enumerate(example.goals) if goal != IGNORED) + 1
    following = [*ends, turn]
    example.looks += [(GUIDE_NAMES.index("next frame"), start - 1, following[0])]
    example.looks += [(GUIDE_NAMES.index(name), start - 1, turn) for name in ("asked colour", "asked task")]
    own_number, own_frame, next_frame = map(GUIDE_NAMES.index, ("own number", "own frame", "next frame"))
    for k, end in enumerate(ends):
        number, colour = start + 3 * k, start + 3 * k + 1
        example.looks += [
            (own_number, colour, number),
            (own_frame, number, end),
            (next_frame, colour, following[k + 1]),
        ]


def _look_for_vote(example: Example, vote: votes.Vote, turn: int, looked: list[int]) -> None:
    """Add the guides of an answer to a vote, whose colour and cue are at the places `looked`."""
    last = next(place for place, goal in enumerate(example.goals) if goal != IGNORED)
    colour, cue = looked
    if vote.word:
        example.looks.append((GUIDE_NAMES.index("asked colour"), last, colour))
    if vote.cue:
        example.looks.append((GUIDE_NAMES.index("asked task"), last, cue))
    asked = NAMES.index(vote.colour) if vote.colour else NO_CARD
    having = [place for place, _, label in example.frames if label == asked != NO_CARD]
    example.looks += [(GUIDE_NAMES.index("asked frames"), last, place) for place in having or [turn]]
    example.asked.append((last, asked, bool(having)))
