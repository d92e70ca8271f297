"""Sets of footage to score on: their halves share no clip, and drawn footage is a single shot."""

from __future__ import annotations

import json
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.keyframes.compose import HALVES, drawn_lots, half_of, is_another, is_one_shot, main, mean_look
from benchmarks.keyframes.kinds import HEIGHT, KINDS, WIDTH
from tests.media import COLOURS, cards, moving, textured, write_video

pytestmark = pytest.mark.usefixtures("english")


def test_no_clip_is_in_both_halves() -> None:
    clips = [Path(f"clip{number}.mp4") for number in range(15)]
    tune, held = (half_of(clips, half) for half in HALVES)
    assert sorted([*tune, *held]) == sorted(clips)
    assert half_of(clips[::-1], "tune") == tune


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_drawn_the_same_for_the_same_seed(kind: str) -> None:
    once, again = (list(islice(KINDS[kind](np.random.default_rng(4)), 3)) for _ in range(2))
    assert all(one.shape == (HEIGHT, WIDTH, 3) and one.dtype == np.uint8 for one in once)
    assert np.array_equal(once, again)


@pytest.mark.slow
def test_background_has_no_cut_and_inserts_differ(tmp_path: Path) -> None:
    one, same, other = (
        write_video(tmp_path / f"{name}.mp4", [textured(seed)] * 50)
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    cut = write_video(tmp_path / "cut.mp4", cards(COLOURS, 25))
    assert is_one_shot(one) and not is_one_shot(cut)
    assert is_another(other, [mean_look(one)]) and not is_another(same, [mean_look(one)])


@pytest.mark.slow
def test_lots_are_drawn_by_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quickly(folder: Path, kind: str, seed: int) -> Path:
        return write_video(folder / f"{kind}{seed}.mp4", [textured(seed)] * 3)

    monkeypatch.setattr("benchmarks.keyframes.compose.drawn", quickly)
    clips = [write_video(tmp_path / f"{seed}.mp4", moving(50, seed=seed)) for seed in range(9)]
    bases, inserts = drawn_lots(clips, 7, "held", tmp_path)
    assert (bases, inserts) == drawn_lots(clips, 7, "held", tmp_path) != drawn_lots(clips, 8, "held", tmp_path)
    assert not set(bases) & set(inserts)


JUDGE = """
import json, sys
from pathlib import Path
words = sys.argv[1:]
out = Path(words[words.index("--out") + 1])
out.mkdir()
(out / "words.json").write_text(json.dumps(words))
"""
"""A make_events.py that notes how it was called."""


def test_given_backgrounds_and_inserts_are_used_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "make_events.py").write_text(JUDGE, encoding="utf-8")
    clips = ["--backgrounds", "a.mp4", "b.mp4", "--inserts", "c.mp4", "d.mp4"]
    places = ["--judge", str(tmp_path), "--out", str(tmp_path / "sets"), "--half", "held"]
    assert main([*clips, *places, "--seeds", "3", "4"]) == 0
    for seed in ("3", "4"):
        words = json.loads((tmp_path / "sets" / f"held-{seed}" / "words.json").read_text(encoding="utf-8"))
        assert words[words.index("--seed") + 1] == seed
        assert words[words.index("--base") :] == ["--base", "a.mp4", "b.mp4", "--insert", "c.mp4", "d.mp4"]


@pytest.mark.parametrize("given", ["--backgrounds", "--inserts"])
def test_backgrounds_without_inserts_are_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([given, "a.mp4", "--judge", "judge", "--out", "sets", "--seeds", "1"])
    assert "go together" in capsys.readouterr().err


def test_make_passes_backgrounds_and_inserts_on() -> None:
    words = ["BACKGROUNDS=a.mp4 b.mp4", "INSERTS=c.mp4", "JUDGE=judge", "OUT=sets", "SEEDS=1"]
    line = subprocess.run(["make", "-n", "bench-keyframes-sets", *words], check=True, capture_output=True, text=True)
    assert "--backgrounds a.mp4 b.mp4 --inserts c.mp4" in line.stdout
