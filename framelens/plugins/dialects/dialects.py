"""What the engine client is given."""

from __future__ import annotations

from framelens.plugin.chat import Dialects
from framelens.plugins.dialects.marks import MARKS
from framelens.plugins.dialects.refusals import RULES
from framelens.plugins.dialects.servers import SERVERS
from framelens.plugins.dialects.streams import AnyStream


def dialects() -> Dialects:
    """Return all dialects."""
    return Dialects(refusals=RULES, marks=MARKS, servers=SERVERS, stream=AnyStream)
