"""Ask a video several questions in one conversation, and print the answers while they are written.

    python examples/ask_video.py VIDEO "What happens?" "And what comes after that?"

Your settings name the model; FRAMELENS_BASE_URL names a remote engine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import framelens


def main() -> None:
    """Ask the questions that the command line names."""
    parser = argparse.ArgumentParser(description="Ask a video several questions.")
    parser.add_argument("video", type=Path)
    parser.add_argument("questions", nargs="+")
    given = parser.parse_args()

    about: Path | framelens.Conversation = given.video
    try:
        with framelens.Session() as session:  # one engine for all questions
            for question in given.questions:
                print(f"> {question}")
                for event in session.ask_events(about, question, temperature=0.2):
                    match event:
                        case framelens.AnswerText(text, restart):
                            print("\n" if restart else "", text, sep="", end="", flush=True)
                        case framelens.Noticed(notice):
                            print(f"({framelens.notice_text(notice, 'en')})")
                        case framelens.AnswerDone(conversation):
                            about = conversation  # the next question continues it
                            for frame in conversation.last.cited:
                                print(f"\n[{frame.number}] {frame.time_seconds:.2f} s", end="")
                            print()
    except framelens.AppError as error:  # an error that the user can do something about
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
