"""The pages of pages_entry.py, whose requests come in turn. `streamlit run` this file."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from app.page_requests import RequestsInTurn

app = st.App(str(Path(__file__).with_name("pages_entry.py")), middleware=[Middleware(RequestsInTurn)])
