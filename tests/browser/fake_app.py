"""The real pages and routes over scripted services, for what no real part does on demand. `streamlit run` this file.

The analysis waits in the middle of its answer until the file named in FAKE_GO exists.
"""

import os
from pathlib import Path

import streamlit as st

from app import main
from framelens.composition import SAMPLE, Services
from tests.app.fake_services import open_fake, script
from tests.browser.going import going


def _open() -> Services:
    return open_fake(Path(os.environ["FRAMELENS_DATA_DIR"]), run=script(hold=going()), sample=SAMPLE)


main.open_services = _open
app = st.App(main.ENTRY, lifespan=main.lifespan, routes=main.ROUTES, middleware=main.MIDDLEWARE)
