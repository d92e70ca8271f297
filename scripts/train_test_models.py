"""Train tests/fixtures/tiny-vl and tiny-text from nothing, or put them to a held-out test.

    python scripts/train_test_models.py --out tests/fixtures              # about twenty-five CPU minutes on one core
    python scripts/train_test_models.py --out tests/fixtures --evaluate   # frames named right and in order, votes

No network, no GPU. Everything is drawn from the seed on one thread: the same versions on the same kind of processor
give the same weights.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

# Read when torch and tokenizers are first imported.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
# The held-out test draws its cards with tests/cards.py.
sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from test_models import conversations, evaluation, language, network, saving, vision, vocabulary


def train(out: Path, *, seed: int, pictures: int, vision_steps: int, language_steps: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    rng = np.random.default_rng(seed)

    def log(line: str) -> None:
        print(f"[{time.process_time():4.0f} s CPU] {line}", flush=True)

    tokenizer = vocabulary.build()
    model = network.build(tokenizer)
    log(f"{sum(weight.numel() for weight in model.parameters()):,} weights, {len(tokenizer):,} tokens")
    pools = vision.draw_cards(rng, pictures)
    log(f"{pictures:,} pictures drawn")
    seen = vision.train(model, pools, steps=vision_steps, rng=rng, log=log)
    torch.manual_seed(seed + 1)  # the second step doesn't depend on how many numbers the first step drew
    source = conversations.Source(tokenizer, seen, np.random.default_rng(seed + 1))
    language.train(model, source, steps=language_steps, log=log)
    for number, plan in enumerate(language.REFINEMENTS, seed + 2):
        language.round_weights(model)
        torch.manual_seed(number)
        rng = np.random.default_rng(number)
        harder = conversations.Source(
            tokenizer,
            seen,
            rng,
            hard=True,
            several_turns=plan.several_turns,
            questions=plan.questions,
            is_full=plan.is_full,
        )
        language.refine(model, harder, plan, log)
    saving.save(model, tokenizer, out)
    log(f"saved to {out}")


def main() -> None:
    """Train or evaluate the models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder that holds tiny-vl and tiny-text")
    parser.add_argument("--evaluate", action="store_true", help="test what is in --out instead of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=20_000, help="how many pictures to draw")
    parser.add_argument("--vision-steps", type=int, default=1500)
    parser.add_argument("--language-steps", type=int, default=1600)
    chosen = parser.parse_args()
    if chosen.evaluate:
        evaluation.run(chosen.out)
    else:
        train(
            chosen.out,
            seed=chosen.seed,
            pictures=chosen.pictures,
            vision_steps=chosen.vision_steps,
            language_steps=chosen.language_steps,
        )


if __name__ == "__main__":
    main()
