"""Report formats of editing programs."""

from framelens.plugin.reports import ReportFormat, lazy

FORMATS = {
    "youtube": ReportFormat(
        ".youtube.txt",
        "text/plain",
        "play",
        lazy("framelens.plugins.editing.timeline.markers:write_youtube"),
        fits=lazy("framelens.plugins.editing.timeline.markers:fits_youtube"),
    ),
    "ffmetadata": ReportFormat(
        ".ffmetadata",
        "text/plain",
        "cut",
        lazy("framelens.plugins.editing.timeline.markers:write_ffmetadata"),
        fits=lazy("framelens.plugins.editing.timeline.markers:fits_ffmetadata"),
    ),
    "edl": ReportFormat(
        ".edl",
        "text/plain",
        "cut",
        lazy("framelens.plugins.editing.timeline.editor_files:write_edl"),
        fits=lazy("framelens.plugins.editing.timeline.markers:fits"),
    ),
    "xml": ReportFormat(
        ".xml",
        "application/xml",
        "cut",
        lazy("framelens.plugins.editing.timeline.editor_files:write_fcp7_xml"),
        fits=lazy("framelens.plugins.editing.timeline.markers:fits"),
    ),
    "otio": ReportFormat(
        ".otio",
        "application/json",
        "cut",
        lazy("framelens.plugins.editing.timeline.editor_files:write_otio"),
        fits=lazy("framelens.plugins.editing.timeline.markers:fits"),
    ),
    "llc": ReportFormat(
        ".llc",
        "application/json",
        "cut",
        lazy("framelens.plugins.editing.timeline.losslesscut:write"),
        fits=lazy("framelens.plugins.editing.timeline.losslesscut:fits"),
    ),
}
