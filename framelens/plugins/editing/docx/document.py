"""The report as a Word document, made in a child process."""

import sys
from importlib.util import find_spec

from framelens.core.domain import Analysis, Language
from framelens.core.errors import ConfigError
from framelens.reports import document_worker


def write(analysis: Analysis, language: Language, *, appendix: bool = False) -> bytes:
    """Return the document.

    Raises:
        ConfigError: "docx_missing": python-docx isn't installed.
        InputError: As of `framelens.reports.document_worker.write`.
    """
    if find_spec("docx") is None:
        raise ConfigError("docx_missing", python=sys.executable)
    writer = "framelens.plugins.editing.docx.report:write"
    return document_worker.write("docx", writer, analysis, language, appendix=appendix)
