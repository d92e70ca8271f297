"""Estimate of a request's tokens before an engine runs; framelens.llm.token_count has the exact count."""

from framelens.core.images import fitted_size

# Qwen2.5-VL: one token per 28 x 28 pixels (its processor's factor), plus a start and an end mark per image.
_PIXELS_PER_TOKEN = 28 * 28
_MARKS_PER_PICTURE = 2
_TOKENS_PER_MARK_LINE = 24
_CHARACTERS_PER_TOKEN = 2.5  # a cautious mean of English (4) and Chinese (1.5)


def estimate_frame_tokens(width: int, height: int, side: int) -> int:
    """Estimate the tokens of a frame of `width` x `height` pixels, scaled to a longer side of `side`, and its mark."""
    sent_width, sent_height = fitted_size(width, height, side)
    return int(sent_width * sent_height / _PIXELS_PER_TOKEN) + 1 + _MARKS_PER_PICTURE + _TOKENS_PER_MARK_LINE


def estimate_text_tokens(text: str) -> int:
    """Estimate the tokens of a text, rather too many than too few."""
    return int(len(text) / _CHARACTERS_PER_TOKEN) + 1
