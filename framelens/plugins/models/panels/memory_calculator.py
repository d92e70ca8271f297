"""Memory calculator: what a model takes under the chosen settings, term by term, and which GPUs it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from framelens.plugin import t
from framelens.plugin.machine import Device, HardwareProfile
from framelens.plugin.models import (
    NUMBER_FORMATS,
    Catalogue,
    FormatKey,
    GpuCard,
    MemoryEstimate,
    NumberFormat,
    Plan,
    Shape,
)
from framelens.plugin.texts import GIB, gib_text, plain
from framelens.plugin_page import PageTools
from framelens.plugins.models.formatting import format_cells, term_rows

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_LENGTHS = (2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
_PICTURES = {
    448 * 252: "448 × 252",
    1280 * 720: "1280 × 720",
    1920 * 1080: "1920 × 1080",
    3840 * 2160: "3840 × 2160",
}
_STORED: Literal["stored"] = "stored"
_AT_ONCE = 8
_CARDS = {7.5: "RTX 20", 8.0: "RTX 30, A100", 8.9: "RTX 40, L40", 9.0: "H100"}
"""GPUs that introduced a compute capability, by their common names."""


def draw(ui: PageTools, catalogue: Catalogue, here: HardwareProfile) -> None:
    """Draw the settings, the bar, and the terms with their formulas."""
    entries = catalogue.by_id
    wide, narrow = st.columns([3, 2])
    model = wide.selectbox(t("models.page.calculation_model"), list(entries), key="sum_model")
    shape = entries[model].shape
    device: Device = narrow.segmented_control(
        t("models.page.calculation_where"),
        ("gpu", "cpu"),
        default=here.device,
        format_func=str.upper,
        required=True,
        key="sum_where",
    )
    plan, size_gib = _draw_controls(ui, shape, device, here)
    sum_ = MemoryEstimate.of(shape, plan)
    _draw_bar(ui, sum_, size_gib)
    if device == "gpu":
        _draw_sizes(sum_)
    _draw_terms(ui, sum_)


def _draw_controls(ui: PageTools, shape: Shape, device: Device, here: HardwareProfile) -> tuple[Plan, float]:
    """Draw the controls; return the plan they describe, and the GiB of a GPU or of the memory."""
    first, second = st.columns(3), st.columns(3)
    formats = {key: _format_name(shape, key) for key in (_STORED, *_formats(shape, device))}
    form = first[0].selectbox(
        t("models.page.calculation_format"),
        list(formats),
        format_func=formats.__getitem__,
        key="sum_format",
    )
    length = first[1].selectbox(
        t("models.page.calculation_length"), _LENGTHS, index=2, format_func="{:,}".format, key="sum_length"
    )
    sequences = first[2].number_input(t("models.page.calculation_sequences"), 1, 256, 1, key="sum_sequences")
    picture = 0
    if shape.vision and shape.vision.pictures == "patches":
        pictures = {**_PICTURES, 0: t("models.page.calculation_picture_most")}
        picture = second[0].selectbox(
            t("models.page.calculation_picture"),
            list(pictures),
            index=1,
            format_func=pictures.__getitem__,
            key="sum_picture",
        )
    tensor, pipeline = 1, 1
    if device == "gpu":
        tensor = second[1].selectbox(t("models.page.calculation_tp"), (1, 2, 4, 8), key="sum_tp")
        pipeline = second[2].selectbox(t("models.page.calculation_pp"), (1, 2, 4), key="sum_pp")
        if shape.ways_to_divide(tensor)[0] != tensor:
            sentence = t("models.page.calculation_tp_bad", heads=shape.text.heads, n=tensor)
            ui.show_warning(sentence)
    size = _draw_size(st.columns(3)[0], device, here)
    plan = Plan(
        max_model_len=length,
        sequences=int(sequences),
        format=None if form == _STORED else form,
        largest_picture_px=picture or None,
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        max_num_seqs=_AT_ONCE,
        eager=device == "cpu",
        device=device,
    )
    return plan, size


def _draw_size(column: DeltaGenerator, device: Device, here: HardwareProfile) -> float:
    gib = here.bytes_each / GIB
    if device == "cpu":
        default = gib if here.card is None else 32.0
        return float(
            column.number_input(f"{t('models.page.calculation_memory')} (GiB)", 1.0, 4096.0, default, key="sum_ram")
        )
    sizes = sorted({*GpuCard.SIZES_GIB, *((round(gib),) if here.card else ())})
    return float(
        column.selectbox(
            t("models.page.calculation_card"),
            sizes,
            index=sizes.index(round(gib) if here.card else 24),
            format_func="{} GiB".format,
            key="sum_card",
        )
    )


def _formats(shape: Shape, device: Device) -> list[FormatKey]:
    """List the other formats of the weights; a quantised checkpoint keeps its own."""
    if shape.quantisation is not None:
        return []
    own = NumberFormat.of(shape).key
    return [
        number_format.key
        for number_format in NUMBER_FORMATS
        if number_format.key != own
        and number_format.least_capability is not None
        and (device == "gpu" or number_format.cpu != "no")
    ]


def _format_name(shape: Shape, key: FormatKey | Literal["stored"]) -> str:
    if key != _STORED:
        return t(f"models.format.{key}.name")
    name = t(f"models.format.{NumberFormat.of(shape).key}.name")
    return t("models.page.calculation_stored", name=name)


# ---- result ----------------------------------------------------------------------------------------------------------


def _draw_bar(ui: PageTools, sum_: MemoryEstimate, size_gib: float) -> None:
    available = size_gib * GIB * GpuCard.USABLE
    key = "calculation_of_card" if sum_.plan.device == "gpu" else "calculation_of_cpu"
    amounts = {
        "needs": gib_text(sum_.card_bytes, digits=2),
        "there": gib_text(available, digits=2),
        "size": f"{size_gib:.4g}",
    }
    about = t(f"models.page.{key}", **amounts)
    fits = sum_.card_bytes <= available
    st.markdown(
        f":{'green' if fits else 'red'}[{':material/check_circle:' if fits else ':material/error:'}] {plain(about)}"
    )
    parts = [
        (t(f"models.term.{term.key}"), term.card_bytes, gib_text(term.card_bytes, digits=2)) for term in sum_.terms
    ]
    ui.draw_stacked_bar(parts, available=available, about=about, key="sum_bar")


def _draw_sizes(sum_: MemoryEstimate) -> None:
    sizes = [size for size in GpuCard.SIZES_GIB if sum_.card_bytes <= size * GIB * GpuCard.USABLE]
    if not sizes:
        st.caption(plain(t("models.page.calculation_fits_none", n=sum_.plan.cards)))
        return
    text = t("models.page.calculation_fits", sizes=" · ".join(f"{size} GB" for size in sizes))
    st.caption(plain(text + (f" × {sum_.plan.cards}" if sum_.plan.cards > 1 else "")))


def _draw_terms(ui: PageTools, sum_: MemoryEstimate) -> None:
    names, rows = term_rows(sum_)
    heads = [t(f"models.column_{name}") for name in names]
    if sum_.plan.cards == 1:
        heads[1] = t("models.page.memory")
    ui.draw_table(heads, rows, key="sum_terms", numbers=tuple(range(1, len(names) - 1)), wide=(len(names) - 1,))
    st.caption(plain(t("models.per_token", kib=f"{sum_.cache_bytes_per_token / 1024:.4g}")))
    st.caption(plain(t("models.estimate")))


def draw_formats(ui: PageTools) -> None:
    """Draw the table, and a note on the quality that a format costs."""
    st.caption(t("models.page.formats_about"))
    heads = [t(f"models.column_{name}") for name in ("format", "bits", "seven", "capability", "cpu", "about")]
    rows = [_cells(number_format) for number_format in NUMBER_FORMATS]
    ui.draw_table(heads, rows, key="model_formats", numbers=(1, 2), wide=(5,))
    st.caption(t("models.quality"))


def _cells(number_format: NumberFormat) -> list[str]:
    name, bits, seven, _, _, cpu, _, about = format_cells(number_format)
    return [name, bits, seven, _cards(number_format), cpu, about]


def _cards(number_format: NumberFormat) -> str:
    """Return the cards that a format runs on, and, if they differ, the cards on which it runs at full speed."""
    if number_format.least_capability is None:
        return "–"
    least, full = _since(number_format.least_capability), number_format.full_capability
    return (
        least
        if full in (None, number_format.least_capability)
        else t("models.page.full_since", since=least, full=_since(full))
    )


def _since(capability: float) -> str:
    return t("models.page.since", capability=capability, cards=_CARDS[capability])
