"""The real pages and routes over scripted services, for what no real part does on demand. `streamlit run` this file.

The analysis waits in the middle of its answer until the file named in FAKE_GO exists.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import streamlit as st

from app import main
from app.wiring import SAMPLE, Services
from tests.ui.fake_services import open_fake, script


def _open() -> Services:
    go = threading.Event()
    threading.Thread(target=_watch, args=(Path(os.environ["FAKE_GO"]), go), daemon=True).start()
    return open_fake(Path(os.environ["FRAMELENS_DATA_DIR"]), run=script(hold=go), sample=SAMPLE)


def _watch(file: Path, go: threading.Event) -> None:
    while not file.exists():
        time.sleep(0.05)
    go.set()


main.open_services = _open
app = st.App(main.ENTRY, lifespan=main.lifespan, routes=main.ROUTES)
