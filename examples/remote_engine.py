"""Ask an engine that runs elsewhere about a video, and print its answer while it is written.

    FRAMELENS_BASE_URL=http://127.0.0.1:8000/v1 python examples/remote_engine.py VIDEO "What happens?"

Any server with the OpenAI chat completions interface works: vLLM, LM Studio, Ollama. Set FRAMELENS_API_KEY if it wants
a key, and VLLM_MODEL_PATH to the model's name if it serves several models.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import framelens


def main() -> None:
    """Ask the remote engine about the video that the command line names."""
    parser = argparse.ArgumentParser(description="Ask a remote engine about a video.")
    parser.add_argument("video", type=Path)
    parser.add_argument("question", nargs="?", default="What happens?")
    given = parser.parse_args()

    base_url = os.environ.get("FRAMELENS_BASE_URL", "")
    if not base_url:
        raise SystemExit("Set FRAMELENS_BASE_URL to the address of the engine, such as http://127.0.0.1:8000/v1.")
    try:
        # An analysis is a generator of events. Leaving the loop early would stop it.
        for event in framelens.analyse_events(given.video, given.question, frames=4, base_url=base_url):
            match event:
                case framelens.AnswerDelta(text=text, restart=restart):
                    # The raw answer, JSON where the engine supports it. `restart` says that it begins again.
                    print("\n" if restart else "", text, sep="", end="", flush=True)
                case framelens.Noticed(notice):
                    print(framelens.notice_text(notice, "en"))
                case framelens.Finished(analysis):
                    # The parsed answer, with what the cited frames do not support marked in `issues`.
                    print()
                    for finding in (*analysis.reply, *analysis.findings):
                        print(f"- {finding.text} (frames {', '.join(map(str, finding.frames))})")
    except framelens.AppError as error:  # an error that the user can do something about
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
