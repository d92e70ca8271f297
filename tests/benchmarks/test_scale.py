"""The simulation of scale: its formulas against each other, and the command, small."""

from dataclasses import replace

import pytest

from benchmarks import scale
from benchmarks.scale import Hardware, Workload, demands, simulate, sized, utilisation
from framelens.models.catalogue import built_in

pytestmark = pytest.mark.usefixtures("english")
LOAD = Workload(frame_tokens=600, decode_core_seconds=360.0, frame_bytes=54_000.0)
ONE = Hardware(16, 125e6, 1, 20_000.0, 0.01, 1_000_000)


def test_an_hour_of_video_is_the_sum_of_its_requests() -> None:
    found = demands(LOAD, ONE)
    assert found["decode"] == 360.0
    assert found["prefill"] == pytest.approx(12 * (16 * 600 + 1000) / 20_000)
    held = found["prefill"] + 12 * 400 * 0.01
    assert found["cache"] == pytest.approx(held / ONE.slots(LOAD))
    assert found["network"] == pytest.approx((4e6 / 8 * 3600 + 192 * 54_000 * 4 / 3) / 125e6)


def test_tokens_and_caches_scale_with_cameras() -> None:
    # Shares grow with cameras and fall with machines.
    one, ten = utilisation(1, LOAD, ONE), utilisation(10, LOAD, ONE)
    assert all(ten[name] == pytest.approx(10 * one[name]) for name in one)
    assert utilisation(10, LOAD, replace(ONE, cores=32))["decode"] == pytest.approx(ten["decode"] / 2)
    # One camera waits for nobody.
    found = simulate(1, LOAD, ONE, hours=1)
    carried = LOAD.carried_bytes / ONE.link_bytes_per_second
    expected = carried + 30.0 + LOAD.read_tokens / 20_000 + 4.0
    assert found.median_seconds == pytest.approx(expected) == found.p95_seconds
    assert found.done + found.open == 12
    # The cache limits what runs at once.
    tight = replace(ONE, cache_tokens=LOAD.read_tokens + LOAD.answer_tokens, cores=1000, link_bytes_per_second=1e12)
    roomy = replace(tight, cache_tokens=100 * tight.cache_tokens)
    assert tight.slots(LOAD) == 1
    assert simulate(60, LOAD, tight, hours=0.5).p95_seconds > simulate(60, LOAD, roomy, hours=0.5).p95_seconds
    # Tokens of a frame are those of the model.
    entry = built_in().find("Qwen2.5-VL-7B-Instruct").entry
    assert scale.frame_tokens(entry, (896, 504), 16) == 32 * 18 + 16
    with pytest.raises(ValueError, match="does not see"):
        scale.frame_tokens(built_in().find("Qwen3-8B").entry, (896, 504), 16)


@pytest.mark.slow
def test_sized_machines_keep_up_and_smaller_ones_do_not() -> None:
    enough = sized(300, LOAD, ONE)
    assert max(utilisation(300, LOAD, enough).values()) <= 0.7 + 1e-9
    good = simulate(300, LOAD, enough, hours=0.5)
    poor = simulate(300, LOAD, replace(enough, cores=enough.cores // 2), hours=0.5)
    alone = LOAD.decode_core_seconds / 12
    assert alone < good.median_seconds < 2 * alone
    assert poor.median_seconds > 2 * good.median_seconds and poor.open > good.open
