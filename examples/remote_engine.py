"""Ask an engine that runs elsewhere about a video, and print its answer while it is written.

    FRAMELENS_BASE_URL=http://127.0.0.1:8000/v1 python examples/remote_engine.py VIDEO "What happens?"

Any server with the OpenAI chat completions interface works: vLLM, LM Studio, Ollama. Set FRAMELENS_API_KEY if it wants
a key, and VLLM_MODEL_PATH to the model's name if it serves more than one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from app import config
from app.analysis import Task
from app.analysis.prompts.templates import load
from app.core import AnalysisRequest, AnswerDelta, AppError, Finished, Noticed
from app.i18n import error_text, notice_text
from app.services import open_session


def main() -> None:
    """Ask the remote engine about the video that the command line names."""
    parser = argparse.ArgumentParser(description="Ask a remote engine about a video.")
    parser.add_argument("video", type=Path)
    parser.add_argument("question", nargs="?", default="What happens?")
    given = parser.parse_args()

    settings = config.load()
    if not settings.base_url:
        raise SystemExit("Set FRAMELENS_BASE_URL to the address of the engine, such as http://127.0.0.1:8000/v1.")
    session = open_session(settings, load(settings.template_dir))
    request = AnalysisRequest(given.video, frames=4, template="question", question=given.question)
    try:
        for event in session.run(Task(request, job_id="example")):
            if isinstance(event, AnswerDelta):
                # The raw answer, JSON where the engine supports it. `restart` says that it begins again.
                print("\n" if event.restart else "", event.text, sep="", end="", flush=True)
            elif isinstance(event, Noticed):
                print(notice_text(event.notice, "en"))
            elif isinstance(event, Finished):
                # The parsed answer, with what the cited frames do not support marked in `issues`.
                print()
                for finding in (*event.analysis.reply, *event.analysis.findings):
                    print(f"- {finding.text} (frames {', '.join(map(str, finding.frames))})")
    except AppError as error:  # an error that the user can do something about
        raise SystemExit(error_text(error, "en")) from None
    finally:
        session.close()


if __name__ == "__main__":
    main()
