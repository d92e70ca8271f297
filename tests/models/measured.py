"""A measured model."""

from framelens.analysis.planning.benchmark_result import BenchmarkResult, FrameCost
from framelens.core.units import GIB

MEASURED = BenchmarkResult(
    model="Qwen/Qwen2.5-VL-3B-Instruct", machine="two cores", device="cpu", engine="vllm 0.32.0",
    arguments={"max_model_len": 8192}, load_seconds=45.0, peak_bytes=13 * GIB, tokens_per_second=10.0,
    frames=(FrameCost(448, 252, 160.0, 2.3, 8, 2.3), FrameCost(896, 504, 592.0, 9.0, 8, 9.0)),
)  # fmt: skip
