"""The real pages and routes over analyses with everything that a report can hold. `streamlit run` this file.

Each analysis waits in the middle of its second part until the file named in FAKE_GO exists.
"""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from app import main
from app.wiring import SAMPLE, Services
from tests.browser.going import going
from tests.ui import rich
from tests.ui.fake_services import open_fake

PARTS = int(os.environ.get("RICH_PARTS", "2"))
FINDINGS = int(os.environ.get("RICH_FINDINGS", "4"))


def _open() -> Services:
    run = rich.script(parts=PARTS, findings=FINDINGS, hold=going())
    return open_fake(Path(os.environ["FRAMELENS_DATA_DIR"]), run=run, sample=SAMPLE)


main.open_services = _open
app = st.App(main.ENTRY, lifespan=main.lifespan, routes=main.ROUTES, middleware=main.MIDDLEWARE)
