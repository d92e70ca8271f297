"""Speakers on the page: how many are separated, and what they are called."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from framelens.composition import Services
from tests.app.panels.analyse.test_frame_options import chosen_video
from tests.app.views.test_analyse import open_details
from tests.plugins.speech.test_naming import HEARD, spoken


@pytest.mark.slow
def test_the_number_of_speakers_is_an_option(page: AppTest, services: Services) -> None:
    chosen_video(page)
    page.selectbox(key="speakers").set_value(2).run()
    page.button(key="start").click().run()
    assert not page.exception
    assert services.jobs.snapshot(page.query_params["job"]).request.speakers == 2


@pytest.mark.slow
def test_speakers_are_named_above_the_transcript(page: AppTest, services: Services) -> None:
    job_id = services.jobs.import_report(replace(spoken(), transcript=HEARD))
    page.query_params["job"] = job_id
    page.run()
    open_details(page, "transcript")
    fields = [one for one in page.text_input if str(one.key).startswith("speaker_")]
    assert [one.label for one in fields] == ["Speaker A", "Speaker B", "Speaker C"]
    fields[0].set_value("Anna").run()
    analysis = services.jobs.snapshot(job_id).analysis
    assert analysis and analysis.transcript and analysis.transcript.speakers == ("Anna", "", "")
