"""The text of a written report, whatever it is written as."""

from io import BytesIO
from xml.etree import ElementTree
from zipfile import ZipFile

from pypdf import PdfReader

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def text_of(data: bytes) -> str:
    """Return the text of the pages of a PDF, of the paragraphs of a Word file, or the file as it is."""
    if data.startswith(b"%PDF"):
        return "\n".join(page.extract_text() for page in PdfReader(BytesIO(data)).pages)
    if data.startswith(b"PK"):
        with ZipFile(BytesIO(data)) as archive:
            body = ElementTree.fromstring(archive.read("word/document.xml"))
        return "\n".join("".join(paragraph.itertext()) for paragraph in body.iter(f"{_WORD}p"))
    return data.decode("utf-8-sig")
