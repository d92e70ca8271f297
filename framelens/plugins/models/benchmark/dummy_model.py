"""Model folders with the true shape and dummy weights, for benchmarks with vLLM (`load_format` dummy).

The input is a config.json, or the part of it in the catalogue; the output are the folder's files, some kilobytes. Time
and memory of such a model are realistic, its answers are noise. The tokenizer is FrameLens's and has a token for every
byte, so a text costs more tokens than with the model's tokenizer; callers must use the engine's count.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framelens.core.errors import ModelNotFound
from framelens.models.architecture import Shape, Vision
from framelens.models.catalogue_parser import CatalogueEntry
from framelens.models.config.parser import read_shape

_END, _TURN, _END_OF_TEXT = "<|im_end|>", "<|im_start|>", "<|endoftext|>"
_VISION = {
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
}
_SPECIAL = (_END, _TURN, _END_OF_TEXT, *_VISION.values())
_TEXTS = ("qwen2", "qwen3", "qwen3_moe", "llama", "mistral")
_VIDEO_PROCESSORS = {
    "qwen2_vl": "Qwen2VLVideoProcessor",
    "qwen2_5_vl": "Qwen2VLVideoProcessor",
    "qwen3_vl": "Qwen3VLVideoProcessor",
    "qwen3_vl_moe": "Qwen3VLVideoProcessor",
}
"""Video processors by model type; all share an image processor."""
_MIN_TOKENS = 4  # for the smallest picture
_MEAN = {14: [0.48145466, 0.4578275, 0.40821073], 16: [0.5, 0.5, 0.5]}
_STD = {14: [0.26862954, 0.26130258, 0.27577711], 16: [0.5, 0.5, 0.5]}
"""Normalisation by the side of a patch, as in the published processors; it doesn't affect timing."""
# Turns between marks, as in the Qwen line; the processor expands the single token of a picture.
_CHAT_TEMPLATE = """\
{%- for message in messages %}<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}{% else %}
{%- for part in message['content'] %}
{%- if part['type'] == 'text' %}{{ part['text'] }}
{%- elif part['type'] in ('video', 'video_url') %}<|vision_start|><|video_pad|><|vision_end|>
{%- else %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}
{%- endfor %}{% endif %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def check_entry(entry: CatalogueEntry) -> None:
    """Raise ModelNotFound, with the reason, if the shape of `entry` can't be benchmarked."""
    if entry.engine != "vllm":
        raise ModelNotFound("benchmark_other_engine", model=entry.id)
    if entry.needs_code:
        raise ModelNotFound("benchmark_needs_code", model=entry.id)
    _check_shape(entry.shape)


def write_folder(config: Mapping[str, Any], folder: Path) -> Path:
    """Create `folder` with everything that vLLM reads except the weights, and return it.

    Raises:
        ModelNotFound: The config is invalid, or we have no image processor for its family.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files_of(config).items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def files_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Build each file's text by its name.

    Raises:
        ModelNotFound: As in `write_folder`.
    """
    shape = read_shape(config)
    _check_shape(shape)
    documents = {"config.json": whole_config(config, shape), **_tokenizer(shape)}
    if shape.vision:
        documents |= _processors(shape, shape.vision)
    texts = {name: json.dumps(document) for name, document in documents.items()}
    return {**texts, "chat_template.jinja": _CHAT_TEMPLATE}


def whole_config(config: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """Complete a config with the values that it leaves out.

    Adds how positions are counted, which layers of the tower use full attention, and the ids of our tokenizer's marks.
    """
    ids = {"bos_token_id": _id(_END_OF_TEXT), "eos_token_id": _id(_END), "pad_token_id": _id(_END_OF_TEXT)}
    if shape.vision is None:
        return {**config, **ids}
    marks = {name: _id(mark) for name, mark in _VISION.items()}
    seen = {**_vision_defaults(shape, shape.vision), **config["vision_config"]}
    rotated = {} if config.get("rope_scaling") else {"rope_parameters": _positions(shape)}
    inner = config.get("text_config")
    if not inner:
        return {**rotated, **config, **ids, **marks, "vision_config": seen}
    rotated = {} if inner.get("rope_scaling") else rotated
    return {**config, **marks, "text_config": {**rotated, **inner, **ids}, "vision_config": seen}


def _check_shape(shape: Shape) -> None:
    known = _VIDEO_PROCESSORS if shape.vision else _TEXTS
    if shape.model_type not in known:
        raise ModelNotFound("benchmark_no_processor", model_type=shape.model_type, known=", ".join(known))


# ---- what a config leaves out ----------------------------------------------------------------------------------------


def _positions(shape: Shape) -> dict[str, Any]:
    """Divide the rotary positions between time, height and width.

    Qwen3-VL gives time 24 of 64, older models 16 of 64.
    """
    half = shape.text.cache.head_dim // 2
    if shape.model_type.startswith("qwen3"):
        side = half * 5 // 16
        section, more = [half - 2 * side, side, side], {"mrope_interleaved": True}
    else:
        time = half // 4
        section, more = [time, (half - time) // 2, half - time - (half - time) // 2], {}
    return {"rope_type": "default", "rope_theta": 1e6, "mrope_section": section, **more}


def _vision_defaults(shape: Shape, vision: Vision) -> dict[str, Any]:
    """Return the tower's attention settings.

    Qwen2.5-VL uses windows of 8 × 8 patches, and full attention in every eighth layer.
    """
    if shape.model_type != "qwen2_5_vl":
        return {}
    whole = list(range(7, vision.depth, 8)) or [vision.depth - 1]
    return {"window_size": 112, "fullatt_block_indexes": whole}


# ---- tokens and pictures ---------------------------------------------------------------------------------------------


def _id(mark: str) -> int:
    return 256 + _SPECIAL.index(mark)


def _tokenizer(shape: Shape) -> dict[str, Any]:
    """Build a tokenizer of single bytes, written as `ByteLevel` expects them (GPT-2's letters), without merges."""
    added = [
        {"id": _id(mark), "content": mark, "special": True, "normalized": False,
         "single_word": False, "lstrip": False, "rstrip": False}
        for mark in _SPECIAL
    ]  # fmt: skip
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    vocabulary = {letter: number for number, letter in enumerate(_byte_letters())}
    return {
        "tokenizer.json": {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                      "vocab": vocabulary, "merges": []},
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": _END, "pad_token": _END_OF_TEXT,
            "model_max_length": shape.text.max_positions, "clean_up_tokenization_spaces": False,
        },
        "generation_config.json": {"do_sample": False, "eos_token_id": [_id(_END)]},
    }  # fmt: skip


def _byte_letters() -> list[str]:
    """Return a printable letter for each byte: the byte's own letter if printable, else the next from 256 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _processors(shape: Shape, vision: Vision) -> dict[str, Any]:
    merge = int(vision.patches_per_token**0.5)
    patch = vision.unit_px // merge
    least = _MIN_TOKENS * vision.unit_px**2
    pictures = {
        "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "do_normalize": True,
        "image_mean": _MEAN.get(patch, _MEAN[16]), "image_std": _STD.get(patch, _STD[16]),
        "patch_size": patch, "merge_size": merge, "temporal_patch_size": 2,
        "min_pixels": least, "max_pixels": vision.max_pixels,
        "size": {"shortest_edge": least, "longest_edge": vision.max_pixels},
    }  # fmt: skip
    processor = {"qwen2_vl": "Qwen2VLProcessor", "qwen2_5_vl": "Qwen2_5_VLProcessor"}
    name = processor.get(shape.model_type, "Qwen3VLProcessor")
    videos = {"processor_class": name, "video_processor_type": _VIDEO_PROCESSORS[shape.model_type]}
    return {
        "preprocessor_config.json": {"processor_class": name, "image_processor_type": "Qwen2VLImageProcessor"}
        | pictures,
        "video_preprocessor_config.json": videos | pictures,
    }
