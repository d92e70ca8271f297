"""Plugin with headlines: each finding of a report in a line, as a format, a command and a page; and a source."""

from framelens.registry import Page, Plugin

PLUGIN = Plugin(
    "headlines",
    commands={"headlines": "framelens_headlines.command:headlines"},
    formats="framelens_headlines.format:FORMATS",
    pages=(Page("headlines", ":material/newspaper:", "framelens_headlines.page:draw"),),
    sources={"newest:": "framelens_headlines.source:newest"},
    messages="framelens_headlines.messages",
)
