"""The real pages over scripted analyses, with real engine processes around a small server for every model that is
chosen. `streamlit run` this file.

A model whose name ends in "broken" ends while it starts; the others start when the file named in FAKE_GO exists.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import streamlit as st

from app import main
from framelens.composition import SAMPLE, Services
from framelens.engine.base import Launcher
from framelens.engine.local import vllm
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.model_resolution import model_name
from framelens.jobs.engine_switcher import EngineSwitcher
from framelens.store.fs_utils import log_to
from tests.app.fake_services import open_fake, script
from tests.engine.fakes import fake_launcher

FOLDER = Path(os.environ["FRAMELENS_DATA_DIR"])


def _launch(model: str, arguments: object = None, **_: object) -> Launcher:
    plan = {"exit": 3} if model.endswith("broken") else {"hold": os.environ["FAKE_GO"]}
    lines = ["phase: importing", "phase: building"]
    made = fake_launcher({"lines": lines, **plan}, model=model_name(model))
    return replace(made, fetch=lambda on_progress, cancel: Path(model))


def _open() -> Services:
    log_to(FOLDER)
    services = open_fake(FOLDER, run=script(), sample=SAMPLE)
    engine = LocalEngine(_launch("/models/first"), log_dir=FOLDER / "engine")
    return replace(services, switcher=EngineSwitcher(replace(services.switcher.session, engine=engine, notices=())))


vllm.vllm_launcher = _launch
main.open_services = _open
app = st.App(main.ENTRY, lifespan=main.lifespan, routes=main.ROUTES, middleware=main.MIDDLEWARE)
