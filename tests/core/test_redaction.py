import pytest

from framelens.core.redaction import is_secret, redact, redact_setting


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer sesame1234",
        "authorization='Basic sesame1234'",
        '{"api_key": "sesame1234", "x": 1}',
        "{'api_key': ['sesame1234']}",
        "--api-key sesame1234 --port 1",
        "--hf-token=sesame1234",
        "VLLM_API_KEY=sesame1234",
        "HF_TOKEN: sesame1234",
        "https://me:sesame1234@proxy:8080/",
        "https://hub/x?token=sesame1234&a=b",
        "https://cdn/x?X-Amz-Signature=sesame1234",
        "the token hf_sesame1234 was refused",
        "Incorrect API key provided: sk-sesame1234",
    ],
)
def test_what_is_secret_is_hidden(text: str) -> None:
    assert "sesame1234" not in redact(text) and "***" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "max_model_len=8192 max_num_batched_tokens=4096",
        "prompt_tokens: 12, tokenizer='/models/x'",
        "http://10.0.0.1:8080/v1",
        "ValueError: max seq len (8192) is larger than 768 tokens",
        "GPU 0: NVIDIA GeForce RTX 2080 Ti",
    ],
)
def test_what_is_not_stays_unchanged(text: str) -> None:
    assert redact(text) == text


def test_of_a_secret_setting_only_that_it_is_set_is_shown() -> None:
    assert redact_setting("FRAMELENS_API_KEY", "sesame") == "***" and redact_setting("HF_TOKEN", "") == ""
    assert redact_setting("FRAMELENS_ANSWER_TOKENS", "512") == "512"
    assert not is_secret("tokenizer") and is_secret("AWS_SECRET_ACCESS_KEY")
