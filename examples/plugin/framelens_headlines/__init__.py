"""Plugin with headlines: each finding of a report in a line, as a format, a command and a page; and a source."""

from framelens.plugin import Page, hook


@hook
def commands():
    return {"headlines": "framelens_headlines.command:headlines"}


@hook
def report_formats():
    from framelens_headlines.format import FORMATS

    return FORMATS


@hook
def pages():
    return {"headlines": Page(":material/newspaper:", "framelens_headlines.page:draw")}


@hook
def sources():
    return {"newest:": "framelens_headlines.source:newest"}
