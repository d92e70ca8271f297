"""How many tokens an engine holds, as its metrics tell it."""

import pytest

from framelens.analysis.requests.engine_connection import cache_tokens
from tests.loopback import Handler, listening


@pytest.mark.parametrize(
    ("labels", "tokens"),
    [
        ('block_size="16",kv_cache_size_tokens="4096",num_gpu_blocks="300"', 4096),
        ('block_size="16",num_gpu_blocks="300",path="a \\"}\\" b"', 4800),
        ('block_size="None",num_gpu_blocks="None"', None),
    ],
)
def test_the_size_of_the_cache_is_told_in_tokens_or_in_blocks(labels: str, tokens: int | None) -> None:
    class Metrics(Handler):
        def do_GET(self) -> None:
            assert self.path == "/metrics"
            text = f"# TYPE vllm:cache_config_info gauge\nvllm:cache_config_info{{{labels}}} 1.0\n"
            self.send_whole(200, text.encode(), {})

    with listening(Metrics) as url:
        assert cache_tokens(f"{url}/v1", "") == tokens
