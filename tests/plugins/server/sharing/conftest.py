"""The page of a job, and a data folder with a job."""

from tests.app.panels.report.test_report import page_of
from tests.services.test_whole_or_nothing import template

__all__ = ["page_of", "template"]
