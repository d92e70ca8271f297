"""Train the language model to count the frames it is given, to find each again, and to report its colour.

The answer alone does not teach it: the colours stay at chance. Two helps, both gone afterwards, do: a linear head asks
the state at each frame's end, half way up, for the frame's number and colour; and some attention heads are shown where
to look (conversations.GUIDES). Most of the accuracy comes while the learning rate falls, so the fall is not cut short.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb

from test_models.cards import NAMES
from test_models.conversations import GUIDES, IGNORED, Batch, Source
from test_models.network import TEXT_WIDTH, Descent
from test_models.prompts import MAX_FRAMES
from test_models.vision import Log

ROWS, LONG_ROWS = 16, 4
HALF_WAY = 1  # the layer whose output the helping head reads


def train(model: Qwen2_5_VLForConditionalGeneration, source: Source, *, steps: int, log: Log) -> None:
    """Train everything but the vision tower, in place, for `steps` batches."""
    helper = torch.nn.Sequential(
        torch.nn.RMSNorm(TEXT_WIDTH, elementwise_affine=False), torch.nn.Linear(TEXT_WIDTH, MAX_FRAMES + len(NAMES))
    )
    weights = [weight for name, weight in model.named_parameters() if "visual" not in name]
    descent = Descent([*weights, *helper.parameters()], rate=2e-3, steps=steps, hold=0.45)
    with Watcher(model) as watcher:
        recent: deque[float] = deque(maxlen=50)
        for step, batch in enumerate(_course(source, steps), 1):
            loss, right = _losses(model, helper, watcher, batch)
            descent.step(loss)
            recent.append(right)
            if step % 50 == 0:
                log(f"language step {step}: answer tokens right {sum(recent) / len(recent):.4f}")


def _course(source: Source, steps: int) -> Iterator[Batch]:
    """Choose few frames first, then up to eight; from a fifth of the way on, every fifth batch has long texts."""
    short: list[Batch] = []
    long: list[Batch] = []
    for step in range(steps):
        done = step / steps
        if done > 0.2 and step % 5 == 0:
            long = long or source.batches(LONG_ROWS, long=True)
            yield long.pop()
        else:
            short = short or source.batches(ROWS, max_frames=3 if done < 0.05 else 5 if done < 0.1 else MAX_FRAMES)
            yield short.pop()


class Watcher:
    """Keeps, of the latest forward pass, the state half way up and what went into the guided attention layers."""

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration) -> None:
        self.layers = model.model.language_model.layers
        self.half_way = torch.empty(0)
        self.inputs: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def __enter__(self) -> Watcher:
        self.hooks = [self.layers[HALF_WAY].register_forward_hook(self._keep_state)]
        for index in {layer for layer, _ in GUIDES.values()}:

            def keep(module: torch.nn.Module, args: tuple, named: dict, index: int = index) -> None:
                self.inputs[index] = (named["hidden_states"], *named["position_embeddings"])

            self.hooks.append(self.layers[index].self_attn.register_forward_pre_hook(keep, with_kwargs=True))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def _keep_state(self, module: torch.nn.Module, args: tuple, output: torch.Tensor | tuple) -> None:
        self.half_way = output[0] if isinstance(output, tuple) else output

    def attention_loss(self, layer: int, head: int, looks: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy of one head's attention and `looks`, (3, n): row, place, place looked at."""
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
    model: Qwen2_5_VLForConditionalGeneration, helper: torch.nn.Module, watcher: Watcher, batch: Batch
) -> tuple[torch.Tensor, float]:
    """Return the weighted sum of all losses, and the share of answer tokens that are right."""
    language = model.model.language_model
    inputs = language.embed_tokens(batch.ids)
    if len(batch.cells):
        inputs = inputs.index_put(torch.where(batch.ids == model.config.image_token_id), batch.cells)
    states = language(inputs_embeds=inputs, position_ids=batch.positions, use_cache=False).last_hidden_state
    answered = batch.goals != IGNORED
    scores, goals = model.lm_head(states[answered]), batch.goals[answered]
    loss = F.cross_entropy(scores, goals)
    if len(batch.frames):
        rows, places, numbers, colours = batch.frames
        predicted = helper(watcher.half_way[rows, places])
        loss = loss + 0.5 * F.cross_entropy(predicted[:, :MAX_FRAMES], numbers)
        loss = loss + 0.2 * F.cross_entropy(predicted[:, MAX_FRAMES:], colours)
    for index, (layer, head) in enumerate(GUIDES.values()):
        looks = batch.looks[:, batch.looks[1] == index][[0, 2, 3]]
        if looks.shape[1]:
            loss = loss + 0.15 * watcher.attention_loss(layer, head, looks)
    return loss, (scores.argmax(-1) == goals).float().mean().item()
