"""The real pages and routes over analyses with everything that a report can hold. `streamlit run` this file.

Each analysis waits in the middle of its second part until the file named in FAKE_GO exists. While a file "slow" lies
beside that, a run of the page stops in its middle, as on a busy machine.
"""

import os
import time
from pathlib import Path

import streamlit as st

from app import main
from app.views import analyse
from framelens.composition import SAMPLE, Services
from framelens.jobs.snapshot import JobSnapshot
from tests.app import rich
from tests.app.fake_services import open_fake
from tests.browser.going import going

PARTS = int(os.environ.get("RICH_PARTS", "3"))
FINDINGS = int(os.environ.get("RICH_FINDINGS", "4"))


def _open() -> Services:
    run = rich.script(parts=PARTS, findings=FINDINGS, hold=going())
    return open_fake(Path(os.environ["FRAMELENS_DATA_DIR"]), run=run, sample=SAMPLE)


def _slowly() -> JobSnapshot | None:
    while Path(os.environ["FAKE_GO"]).with_name("slow").exists():
        time.sleep(0.05)
    return _at_once()


_at_once, analyse._open_job = analyse._open_job, _slowly
main.open_services = _open
app = st.App(main.ENTRY, lifespan=main.lifespan, routes=main.ROUTES, middleware=main.MIDDLEWARE)
