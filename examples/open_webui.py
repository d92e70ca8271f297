"""
title: Videos for FrameLens
description: Hands attached videos to the model as they are, so that `framelens serve` can choose their frames.
version: 0.1.0

A function of Open WebUI. Open WebUI keeps videos that are attached to a chat and sends the model nothing of them; with
this function on, they are sent as `video_url`, which `framelens serve` understands for any engine behind it.

1. Start `framelens serve`, with the engine that you have: `framelens serve --base-url http://127.0.0.1:11434/v1`.
2. In Open WebUI, under Admin Panel, Settings, Connections, add its address (http://127.0.0.1:8003/v1) and its key.
3. Under Admin Panel, Functions, add this file as a new function, then switch it on, for all models or for some.
"""

import asyncio
import base64
import mimetypes
import re
from pathlib import Path
from typing import Any


class Filter:
    """Filter of Open WebUI: adds the videos of a chat to its last message."""

    async def inlet(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a request whose last message has the attached videos; other files stay where they were."""
        from open_webui.models.files import Files  # type: ignore[import-not-found]

        videos, others = [], []
        for attached in body.get("files") or []:
            file = await _awaited(Files.get_file_by_id(attached.get("id", "")))
            kind = ((file and file.meta) or {}).get("content_type") or mimetypes.guess_type(attached.get("name", ""))[0]
            if file and str(kind).startswith("video/"):
                videos.append(await asyncio.to_thread(_part, Path(file.path), str(kind)))
            else:
                others.append(attached)
        if videos:
            message = body["messages"][-1]
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            body["messages"][-1] = {**message, "content": [*videos, *map(_without_list, parts)]}
        body["files"] = others  # Open WebUI would look for text in the videos
        return body


def _without_list(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part without the list of files that Open WebUI writes before a question for its own tools."""
    if part.get("type") != "text":
        return part
    return {**part, "text": re.sub(r"<attached_files>.*?</attached_files>\s*", "", part["text"], flags=re.DOTALL)}


async def _awaited(value: Any) -> Any:
    """Return a value that older versions give at once."""
    return await value if asyncio.iscoroutine(value) else value


def _part(path: Path, kind: str) -> dict[str, Any]:
    data = base64.b64encode(path.read_bytes()).decode()
    return {"type": "video_url", "video_url": {"url": f"data:{kind};base64,{data}"}}
