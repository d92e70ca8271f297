"""Waiting for work that takes long: progress is reported, and a call that is cancelled stops it."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

from mcp.server.mcpserver import Context
from pydantic import Field

Wait = Annotated[float, Field(ge=0, le=3600)]
POLL_SECONDS, _REPORT_SECONDS = 0.1, 5.0  # progress is reported when it changes, else this often


async def wait_for(
    ctx: Context, is_over: Callable[[], bool], doing: Callable[[], str], stop: Callable[[], None], seconds: float
) -> None:
    """Report progress until the work is over, at most for some seconds; `stop` it if the call is cancelled."""
    began, shown, reported = time.monotonic(), "", 0.0
    try:
        while not is_over() and (passed := time.monotonic() - began) < seconds:
            if (now := doing()) != shown or passed > reported + _REPORT_SECONDS:
                shown, reported = now, passed
                await ctx.report_progress(round(passed, 3), message=now)
            await asyncio.sleep(POLL_SECONDS)
    except asyncio.CancelledError:
        stop()
        raise
