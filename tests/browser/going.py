"""Lets a scripted analysis in a server go on when the test that started the server makes a file."""

import os
import threading
import time
from pathlib import Path


def going() -> threading.Event:
    """Set while the file named in FAKE_GO exists."""
    go = threading.Event()
    threading.Thread(target=_watch, args=(Path(os.environ["FAKE_GO"]), go), daemon=True).start()
    return go


def _watch(file: Path, go: threading.Event) -> None:
    while True:
        (go.set if file.exists() else go.clear)()
        time.sleep(0.05)
