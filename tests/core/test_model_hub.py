import pytest

from framelens.core.engines.model_hub import ModelHub, parse_hub
from framelens.core.errors import ConfigError

HUGGING_FACE, MODELSCOPE = (
    ModelHub("huggingface", "https://huggingface.co"),
    ModelHub("modelscope", "https://modelscope.cn"),
)


@pytest.mark.parametrize(
    ("values", "hub"),
    [
        ({}, HUGGING_FACE),
        ({"HF_ENDPOINT": "https://hf-mirror.com/"}, ModelHub("huggingface", "https://hf-mirror.com")),
        ({"FRAMELENS_HUB": "modelscope"}, MODELSCOPE),
        ({"FRAMELENS_HUB": "ModelScope", "HF_ENDPOINT": "https://hf-mirror.com"}, MODELSCOPE),
        ({"FRAMELENS_HUB": "魔搭"}, MODELSCOPE),
        (
            {"FRAMELENS_HUB": "modelscope", "MODELSCOPE_ENDPOINT": "modelscope.ai"},
            ModelHub("modelscope", "https://modelscope.ai"),
        ),
        (
            {"FRAMELENS_HUB": "modelscope", "MODELSCOPE_DOMAIN": "www.modelscope.cn"},
            ModelHub("modelscope", "https://www.modelscope.cn"),
        ),
        ({"FRAMELENS_HUB": "https://www.modelscope.cn/"}, ModelHub("modelscope", "https://www.modelscope.cn")),
        ({"FRAMELENS_HUB": "http://127.0.0.1:8123"}, ModelHub("modelscope", "http://127.0.0.1:8123")),
        ({"FRAMELENS_HUB": "https://hf-mirror.com"}, ModelHub("huggingface", "https://hf-mirror.com")),
        ({"MODELSCOPE_ENDPOINT": "https://modelscope.ai"}, ModelHub("modelscope", "https://modelscope.ai")),
        ({"MODELSCOPE_ENDPOINT": "https://modelscope.ai", "FRAMELENS_HUB": "hf"}, HUGGING_FACE),
        ({"VLLM_USE_MODELSCOPE": "True"}, MODELSCOPE),
    ],
)
def test_the_environment_chooses_the_hub(values: dict[str, str], hub: ModelHub) -> None:
    assert parse_hub(values) == hub
    assert hub.kind == "huggingface" or parse_hub({"FRAMELENS_HUB": hub.setting}) == hub


@pytest.mark.parametrize("value", ["kaggle", "ftp://modelscope.cn", "https://"])
def test_an_unknown_hub_is_refused_with_its_name(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_hub({"FRAMELENS_HUB": value})
    assert (caught.value.key, caught.value.values["value"]) == ("hub_unknown", value)
