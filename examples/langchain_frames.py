"""Ask about each keyframe of a video in a LangChain chain of your own, with the chat model of FrameLens.

    FRAMELENS_BASE_URL=http://127.0.0.1:8000/v1 python examples/langchain_frames.py VIDEO MODEL

MODEL is the name under which the engine serves its model. `framelens serve` starts an engine.
"""

from __future__ import annotations

import argparse
import base64
import os
from pathlib import Path

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

import framelens


def main() -> None:
    """Print a line for each keyframe of the video that the command line names."""
    parser = argparse.ArgumentParser(description="Ask about keyframes in a LangChain chain.")
    parser.add_argument("video", type=Path)
    parser.add_argument("model")
    given = parser.parse_args()

    base_url = os.environ.get("FRAMELENS_BASE_URL", "http://127.0.0.1:8000/v1")
    picture = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,{jpeg}"}}
    prompt = ChatPromptTemplate.from_messages(
        [("human", [{"type": "text", "text": "Describe this frame in one sentence."}, picture])]
    )
    chain = prompt | framelens.ChatModel(base_url=base_url, model=given.model, max_tokens=60) | StrOutputParser()
    try:
        frames = framelens.keyframes(given.video, frames=4)
        pictures = [{"jpeg": base64.b64encode(frame.jpeg).decode()} for frame in frames]
        for frame, text in zip(frames, chain.batch(pictures), strict=True):
            print(f"{frame.time_seconds:.2f} s  {text}")
    except framelens.AppError as error:  # an error that the user can do something about
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
