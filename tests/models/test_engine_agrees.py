"""The calculator against the real vLLM on the CPU: the cache it reports, with the checkpoints that run here."""

import json
import re
from pathlib import Path

import psutil
import pytest

from framelens.core.units import GIB
from framelens.engine.local.child_process import GUARD
from framelens.engine.local.local_engine import LocalEngine
from framelens.models.config import read_shape
from framelens.models.memory import MemoryEstimate
from framelens.models.serving_plan import Plan
from tests.conftest import ENGINE_ARGUMENTS, ready

pytestmark = pytest.mark.engine

_CACHE = re.compile(r"KV cache size: ([\d,]+) tokens, Maximum concurrency for ([\d,]+) tokens per request: ([\d.]+)x")
_PLAN = Plan(max_model_len=4096, format="fp32", max_num_seqs=8, eager=True, device="cpu")


def reported(engine: LocalEngine) -> tuple[int, int, float]:
    """Tokens in the cache, the length of a request, and how many such requests it holds, as the log has them."""
    ready(engine)
    found = _CACHE.findall(engine.log_tail(5000))
    assert found, "vLLM words its report of the cache differently now"
    tokens, length, requests = found[-1]
    return int(tokens.replace(",", "")), int(length.replace(",", "")), float(requests)


@pytest.mark.parametrize("name", ["tiny-vl", "tiny-text"])
def test_the_cache_holds_what_the_engine_says_it_holds(
    name: str, vl_engine: LocalEngine, text_engine: LocalEngine, tiny_vl: Path
) -> None:
    """The engine was given 1 GiB for it."""
    shape = read_shape(json.loads((tiny_vl.parent / name / "config.json").read_text()))
    assert ENGINE_ARGUMENTS["max_model_len"] == _PLAN.max_model_len and ENGINE_ARGUMENTS["dtype"] == "float32"
    tokens, length, requests = reported(vl_engine if name == "tiny-vl" else text_engine)
    ours = MemoryEstimate.of(shape, _PLAN).tokens_in(GIB)
    assert ours == pytest.approx(tokens, rel=0.01)
    assert ours / length == pytest.approx(requests, rel=0.01)


@pytest.mark.parametrize("name", ["tiny-vl", "tiny-text"])
def test_a_small_models_processes_take_what_the_sum_says(
    name: str, vl_engine: LocalEngine, text_engine: LocalEngine, tiny_vl: Path
) -> None:
    """Of such a model it is the engine's own part and the cache, which is 1 GiB here; what is shared counts once. The
    largest picture, for which the sum keeps working memory, has not been sent.
    """
    shape = read_shape(json.loads((tiny_vl.parent / name / "config.json").read_text()))
    ready(vl_engine if name == "tiny-vl" else text_engine)
    ours = MemoryEstimate.of(shape, _PLAN)
    expected = ours.card_bytes - ours.bytes_of("cache", "working") + GIB
    assert taken(name) == pytest.approx(expected, rel=0.10)


def taken(name: str) -> int:
    """Bytes of all processes of the engine that serves this model, each with its share of shared memory."""
    guards = [one for one in psutil.Process().children() if {str(GUARD), name} <= set(one.cmdline())]
    found = [process for guard in guards for process in (guard, *guard.children(recursive=True))]
    return sum(process.memory_full_info().pss for process in found)
