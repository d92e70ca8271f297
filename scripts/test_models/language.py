"""Train the language model to count its frames, to find each again, to report its colour, and to vote on colours.

The answer alone does not teach it: colours and votes stay at chance. Two helps, both gone afterwards, do: linear heads
and guides. The first head asks the state at each frame's end, half way up, for the frame's number and colour, and the
state before a vote for the colour that the vote is about, so that both colours look alike there; the second head asks,
a layer further up, whether that colour is among the frames. The guides show some attention heads where to look
(conversations.GUIDES). Votes are not learnt from long conversations, so the first third has only short conversations.
Most of the accuracy comes while the learning rate falls, so the fall is not cut short.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb

from test_models.cards import NO_CARD
from test_models.conversations import GUIDES, IGNORED, MOST_TOKENS, Batch, Source
from test_models.network import TEXT_WIDTH, Descent
from test_models.prompts import MAX_FRAMES, SEVERAL_TURNS
from test_models.vision import Log

ROWS, LONG_ROWS = 16, 4
HALF_WAY, FOUND = 1, 2  # the layers whose outputs the helping heads read
EARLY = 0.3  # share of the steps with short conversations
LONG_EVERY = 5  # of the other steps, every fifth has long texts
HEAD_STEPS = 40


def train(model: Qwen2_5_VLForConditionalGeneration, source: Source, *, steps: int, log: Log) -> None:
    """Train everything but the vision tower, in place, for `steps` batches."""
    heads = _heads()
    weights = [weight for name, weight in model.named_parameters() if "visual" not in name]
    descent = Descent([*weights, *heads[0].parameters(), *heads[1].parameters()], rate=2e-3, steps=steps, hold=0.45)
    with Watcher(model) as watcher:
        recent: deque[tuple[float, ...]] = deque(maxlen=50)
        for step, batch in enumerate(_course(source, steps, EARLY, LONG_EVERY), 1):
            loss, right = _losses(model, heads, watcher, batch)
            descent.step(loss)
            recent.append(right)
            if step % 50 == 0:
                names, votes = np.nanmean(recent, axis=0)
                log(f"language step {step}: tokens right in lists {names:.4f}, in votes {votes:.4f}")


@dataclass(frozen=True)
class Refinement:
    """A run of `refine`: its steps, how often it has long texts and several turns, and the questions of `Source`."""

    steps: int
    long_every: int = LONG_EVERY
    several_turns: float = SEVERAL_TURNS
    questions: float = 0.0
    is_full: bool = False
    with_heads: bool = False


REFINEMENTS = (
    Refinement(350),
    Refinement(500),
    Refinement(600, long_every=2, several_turns=0.5, questions=0.5, is_full=True, with_heads=True),
    Refinement(450, long_every=3, several_turns=0.5, questions=0.5, with_heads=True),
)
"""Added one by one for what the held-out test still found. Each starts from weights as they are stored."""


def round_weights(model: Qwen2_5_VLForConditionalGeneration) -> None:
    """Round the language model's weights to the precision in which they are stored; `refine` starts from those."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "visual" not in name:
                weight.copy_(weight.bfloat16())


def refine(
    model: Qwen2_5_VLForConditionalGeneration,
    source: Source,
    plan: Refinement,
    log: Log,
) -> None:
    """Train what `train` has left over, at a rate that only falls.

    New heads learn to read the model's states before these are trained by them.
    """
    heads = _heads() if plan.with_heads else None
    helps = [weight for head in heads or () for weight in head.parameters()]
    weights = [weight for name, weight in model.named_parameters() if "visual" not in name]
    with Watcher(model) as watcher:
        if helps:
            reading = Descent(helps, rate=5e-3, steps=HEAD_STEPS, hold=0.5)
            for batch in _course(source, HEAD_STEPS, 0.0, plan.long_every):
                reading.step(_losses(model, heads, watcher, batch)[0])
        descent = Descent([*weights, *helps], rate=1e-3, steps=plan.steps, hold=0.1)
        recent: deque[tuple[float, ...]] = deque(maxlen=50)
        for step, batch in enumerate(_course(source, plan.steps, 0.0, plan.long_every), 1):
            loss, right = _losses(model, heads, watcher, batch)
            descent.step(loss)
            recent.append(right)
            if step % 50 == 0:
                names, votes = np.nanmean(recent, axis=0)
                log(f"refining step {step}: tokens right in lists {names:.4f}, in votes {votes:.4f}")


def _heads() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return new heads for (number and colour of a frame or a vote, whether what a vote asks for is there)."""
    helper, finder = (
        torch.nn.Sequential(
            torch.nn.RMSNorm(TEXT_WIDTH, elementwise_affine=False), torch.nn.Linear(TEXT_WIDTH, classes)
        )
        for classes in (MAX_FRAMES + NO_CARD + 1, 2)
    )
    return helper, finder


def _course(source: Source, steps: int, early: float, long_every: int) -> Iterator[Batch]:
    """Choose few frames and short texts first; from the share `early` on, one batch of `long_every` has long texts."""
    short: list[Batch] = []
    long: list[Batch] = []
    for step in range(steps):
        done = step / steps
        if done > early and step % long_every == 0:
            long = long or source.batches(LONG_ROWS, long=True)
            yield long.pop()
        else:
            is_early = done < early
            short = short or source.batches(
                ROWS, max_frames=3 if is_early else MAX_FRAMES, most_tokens=100 if is_early else MOST_TOKENS
            )
            yield short.pop()


class Watcher:
    """Keeps, of the latest forward pass, the states that the heads read and what went into the guided attention."""

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration) -> None:
        self.layers = model.model.language_model.layers
        self.states: dict[int, torch.Tensor] = {}
        self.inputs: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def __enter__(self) -> Watcher:
        self.hooks = []
        for index in (HALF_WAY, FOUND):

            def keep_state(
                module: torch.nn.Module, args: tuple, output: torch.Tensor | tuple, index: int = index
            ) -> None:
                self.states[index] = output[0] if isinstance(output, tuple) else output

            self.hooks.append(self.layers[index].register_forward_hook(keep_state))
        for index in {layer for layer, _ in GUIDES.values()}:

            def keep(module: torch.nn.Module, args: tuple, named: dict, index: int = index) -> None:
                self.inputs[index] = (named["hidden_states"], *named["position_embeddings"])

            self.hooks.append(self.layers[index].self_attn.register_forward_pre_hook(keep, with_kwargs=True))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def attention_loss(self, layer: int, head: int, looks: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy of a head's attention and `looks`, (3, n): row, place, place looked at."""
        attention = self.layers[layer].self_attn
        states, cos, sin = self.inputs[layer]
        part = slice(head * attention.head_dim, (head + 1) * attention.head_dim)
        query, key = (
            F.linear(states, maker.weight[part], maker.bias[part])[:, None]
            for maker in (attention.q_proj, attention.k_proj)
        )
        query, key = (turned[:, 0] for turned in apply_rotary_pos_emb(query, key, cos, sin))
        rows, places, goals = looks
        scores = (query @ key.transpose(1, 2) * attention.scaling)[rows, places]
        later = torch.arange(scores.shape[1]) > places[:, None]
        return F.cross_entropy(scores.masked_fill(later, -1e9), goals)


def _losses(
    model: Qwen2_5_VLForConditionalGeneration,
    heads: tuple[torch.nn.Module, torch.nn.Module] | None,
    watcher: Watcher,
    batch: Batch,
) -> tuple[torch.Tensor, tuple[float, ...]]:
    """Return the weighted sum of all losses, and the shares of the tokens of lists and of votes that are right."""
    language = model.model.language_model
    inputs = language.embed_tokens(batch.ids)
    if len(batch.cells):
        inputs = inputs.index_put(torch.where(batch.ids == model.config.image_token_id), batch.cells)
    states = language(inputs_embeds=inputs, position_ids=batch.positions, use_cache=False).last_hidden_state
    answered = batch.goals != IGNORED
    scores, goals = model.lm_head(states[answered]), batch.goals[answered]
    is_vote = torch.isin(torch.where(answered)[0], batch.asked[0])
    each = F.cross_entropy(scores, goals, reduction="none")
    # A vote is two tokens, a list of colours up to 24: each kind gets a mean of its own.
    loss = sum((each[kind].mean() for kind in (is_vote, ~is_vote) if kind.any()), torch.zeros(()))
    if heads and batch.frames.shape[1]:
        helper, _ = heads
        rows, places, numbers, colours = batch.frames
        predicted = helper(watcher.states[HALF_WAY][rows, places])
        loss = loss + 0.5 * F.cross_entropy(predicted[:, :MAX_FRAMES], numbers)
        loss = loss + 0.2 * F.cross_entropy(predicted[:, MAX_FRAMES:], colours)
    if heads and batch.asked.shape[1]:
        helper, finder = heads
        rows, places, colours, found = batch.asked
        loss = loss + 0.4 * F.cross_entropy(finder(watcher.states[FOUND][rows, places]), found)
        predicted = helper(watcher.states[HALF_WAY][rows, places])
        loss = loss + 0.4 * F.cross_entropy(predicted[:, MAX_FRAMES:], colours)
    for index, (layer, head) in enumerate(GUIDES.values()):
        looks = batch.looks[:, batch.looks[1] == index][[0, 2, 3]]
        if looks.shape[1]:
            loss = loss + 0.15 * watcher.attention_loss(layer, head, looks)
    right = (scores.argmax(-1) == goals).float()
    return loss, tuple(right[kind].mean().item() if kind.any() else float("nan") for kind in (~is_vote, is_vote))
