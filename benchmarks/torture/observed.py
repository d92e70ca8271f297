"""Programs that kills.py starts, each of which notes in a file what it does, a line at a time.

`python -m benchmarks.torture.observed FILE analyse …` is the command line of FrameLens; it notes each survey that
begins ("survey"), chosen frames that are kept ("chosen"), each frame whose facts are measured ("measured N"), and how
many of them are kept ("kept N"). `engine(FILE)` is a scripted engine in a process of its own, started as
`python -m vllm.entrypoints.openai.api_server` from the package that `make_engine` writes; it notes the number of the
first frame of each request.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Note = Callable[[str], None]
_ENGINE = "vllm/entrypoints/openai/api_server.py"


def noting(path: Path) -> Note:
    """Return a function that appends a line to a file; it is there as soon as the function returns."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(line: str) -> None:
        os.write(file, f"{line}\n".encode())

    return note


def main(path: Path, words: list[str]) -> int:
    """Run a command and note what is surveyed and measured."""
    from framelens.analysis.inputs import extraction_cache
    from framelens.cli.main import main as run
    from framelens.core.events import FactsMeasured, Probed

    note = noting(path)

    def noted(extract: Callable[..., Iterator[Any]], line: str) -> Callable[..., Iterator[Any]]:
        def events(*given: Any, **options: Any) -> Iterator[Any]:
            if line:
                note(line)
            for event in extract(*given, **options):
                if isinstance(event, FactsMeasured):
                    note(f"measured {event.facts.number}")
                yield event

        return events

    for name, line in (("extract", "survey"), ("extract_named", "survey"), ("remaining_facts", "")):
        setattr(extraction_cache, name, noted(getattr(extraction_cache, name), line))
    keep = extraction_cache.StoredExtraction.keep

    def kept(self: Any, subject: object, *values: object) -> None:
        keep(self, subject, *values)
        if isinstance(values[0], Probed):
            note("chosen")
        elif isinstance(values[0], tuple):
            note(f"kept {len(values[0])}")

    extraction_cache.StoredExtraction.keep = kept  # type: ignore[method-assign]
    return run(words)


def make_engine(folder: Path, path: Path, answer_seconds: float) -> None:
    """Write a package `vllm` into a folder, whose server is `engine`, for Python's path."""
    program = folder / _ENGINE
    program.parent.mkdir(parents=True)
    for parent in program.relative_to(folder).parents[:-1]:  # else Python prefers the real package
        (folder / parent / "__init__.py").touch()
    program.write_text(f"from benchmarks.torture.observed import engine\nengine({str(path)!r}, {answer_seconds!r})\n")


def engine(path: str, answer_seconds: float) -> None:
    """Serve the scripted engine on the port that the command line names, until this process ends."""
    from http.server import ThreadingHTTPServer

    from tests.analysis.requests.test_orchestrator import introducing, part_of
    from tests.jobs.working import CONTEXT
    from tests.llm import scripted

    note = noting(Path(path))

    def behave(body: dict[str, Any]) -> Iterator[str]:
        if body.get("max_tokens") != 1:
            note(str(part_of(body)))
            time.sleep(answer_seconds)
        yield from introducing(body)

    def option(name: str) -> str:
        return sys.argv[sys.argv.index(name) + 1]

    state = scripted.Server(behave, context=CONTEXT, model=option("--served-model-name"), owner="vllm")
    handler = type("Handler", (scripted._Handler,), {"state": state})
    ThreadingHTTPServer(("127.0.0.1", int(option("--port"))), handler).serve_forever()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
