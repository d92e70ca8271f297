"""Report format: its description in the registry of formats and in plugins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any, Literal

from framelens.core.domain import Analysis, Language
from framelens.reports.files import ReportFile

Use = Literal["read", "play", "program", "cut"]
"""Audience of a format: people who read; players; spreadsheets and scripts; editing programs."""


def lazy(reference: str) -> Callable[..., Any]:
    """Return a proxy for the function "module:function" that imports the module on its first call.

    Listing the formats doesn't import their writers.
    """

    def call(*arguments: Any, **options: Any) -> Any:
        return resolve_name(reference)(*arguments, **options)

    return call


def _no_files(_: Analysis, *, appendix: bool) -> Sequence[ReportFile]:
    return ()


def _always(_: Analysis) -> bool:
    return True


def _possible() -> None:
    pass


@dataclass(frozen=True)
class ReportFormat:
    """A format in which a report can be written.

    Attributes:
        suffix: The end of a file's name, with its leading dot.
        mime: The media type.
        use: The audience.
        write: Returns the whole file for an analysis and a language; a document is short unless it is called with
            `appendix=True`.
        beside: Returns the files that the report refers to by name, for a document with or without its appendix.
        fits: Returns whether the report would have any content.
        has_appendix: Whether it is a document, which can have an appendix with the full record.
        check: Raises a ConfigError if the format can't be written here, such as for want of a package.
    """

    suffix: str
    mime: str
    use: Use
    write: Callable[..., bytes]
    beside: Callable[..., Sequence[ReportFile]] = _no_files
    fits: Callable[[Analysis], bool] = _always
    has_appendix: bool = False
    check: Callable[[], None] = _possible

    def to_bytes(self, analysis: Analysis, language: Language, *, appendix: bool = False) -> bytes:
        """Return the whole file; `appendix` adds the full record to a document, and changes no other format.

        Raises:
            ConfigError: The format can't be written here.
        """
        self.check()
        return self.write(analysis, language, **({"appendix": appendix} if self.has_appendix else {}))
