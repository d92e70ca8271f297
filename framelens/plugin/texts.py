"""Texts for readers: numbers, times and sentences in their language, and texts of others made safe to show."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.analysis.planning.time_parsing import parse_range as parse_range
    from framelens.core.files import single_line as single_line
    from framelens.core.units import GIB as GIB
    from framelens.core.units import HAN_NUMERALS as HAN_NUMERALS
    from framelens.core.units import clock as clock
    from framelens.core.units import extrapolated_seconds as extrapolated_seconds
    from framelens.core.units import foreign_number as foreign_number
    from framelens.core.units import gib_number as gib_number
    from framelens.core.units import gib_text as gib_text
    from framelens.core.units import han_number as han_number
    from framelens.core.units import human_size as human_size
    from framelens.core.units import rounded_time as rounded_time
    from framelens.i18n import aside as aside
    from framelens.i18n import labelled as labelled
    from framelens.i18n import sentences as sentences
    from framelens.i18n.formatting import attributed as attributed
    from framelens.i18n.formatting import origin as origin
    from framelens.i18n.formatting import phase_text as phase_text
    from framelens.i18n.formatting import span as span
    from framelens.i18n.formatting import stage_text as stage_text
    from framelens.reports.content.page_text import error_words as error_words
    from framelens.reports.content.page_text import joined as joined
    from framelens.reports.content.page_text import length_clock as length_clock
    from framelens.reports.content.page_text import plain as plain
    from framelens.reports.content.page_text import remaining as remaining
    from framelens.reports.content.page_text import short_model_name as short_model_name

else:
    __getattr__ = partial(exported, globals())
