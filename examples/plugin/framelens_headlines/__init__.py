"""Plugin with headlines: each finding of a report in one line, as a format, a command and a page."""

from framelens.registry import Page, Plugin

PLUGIN = Plugin(
    "headlines",
    commands={"headlines": "framelens_headlines.command"},
    formats="framelens_headlines.format:FORMATS",
    pages=(Page("headlines", ":material/newspaper:", "framelens_headlines.page:draw"),),
    messages="framelens_headlines.messages",
)
