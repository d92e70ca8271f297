"""Formats of reports: what a plugin that writes one gives and uses."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.domain import AudioTrack as AudioTrack
    from framelens.core.domain import ReportedConversation as ReportedConversation
    from framelens.core.images import smaller as smaller
    from framelens.core.outline import title_of as title_of
    from framelens.reports.content.document import plain_text as plain_text
    from framelens.reports.content.labels import ai_label as ai_label
    from framelens.reports.content.labels import finding_seconds as finding_seconds
    from framelens.reports.content.labels import one_line as one_line
    from framelens.reports.content.labels import printable as printable
    from framelens.reports.content.labels import remarks as remarks
    from framelens.reports.content.labels import shareable_value as shareable_value
    from framelens.reports.content.labels import shortened as shortened
    from framelens.reports.content.labels import stated_notices as stated_notices
    from framelens.reports.content.labels import written_by as written_by
    from framelens.reports.content.provenance import aigc_fields as aigc_fields
    from framelens.reports.content.provenance import aigc_text as aigc_text
    from framelens.reports.content.provenance import escape_comment as escape_comment
    from framelens.reports.content.ranges import ranges_of as ranges_of
    from framelens.reports.files import ReportFile as ReportFile
    from framelens.reports.format import ReportFormat as ReportFormat
    from framelens.reports.format import lazy as lazy
    from framelens.reports.formats import FORMATS as FORMATS
    from framelens.reports.formats import bundle as bundle
    from framelens.reports.formats import files_of as files_of
    from framelens.reports.formats import format_named as format_named
    from framelens.reports.formats import parse_formats as parse_formats
    from framelens.reports.graphics.fonts import own_face as own_face
    from framelens.reports.json.encoding import json_text as json_text
    from framelens.reports.json.writer import form_of as form_of
    from framelens.reports.json.writer import without_pictures as without_pictures
    from framelens.reports.subtitles import ass_clock as ass_clock
    from framelens.reports.text.csv_table import csv_table as csv_table
    from framelens.reports.text.overview import Overview as Overview
    from framelens.reports.text.overview import OverviewSection as OverviewSection

else:
    __getattr__ = partial(exported, globals())
