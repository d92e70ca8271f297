"""A run with its largest process: `python -m benchmarks.plugins.speech.measured WHO MODEL FILE`, a JSON object."""

from __future__ import annotations

import json
import resource
import subprocess
import sys


def main(arguments: list[str]) -> None:
    """Run the transcription as a child, and print its words and the memory of the largest process among its own."""
    command = [sys.executable, "-m", "benchmarks.plugins.speech.run", *arguments]
    words = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(json.dumps({"words": words, "memory_bytes": memory}))


if __name__ == "__main__":
    main(sys.argv[1:])
