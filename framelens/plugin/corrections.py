"""Corrections of reports by people: what can be corrected, the log, and drafts of further corrections."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.corrected_report import ReportItem as ReportItem
    from framelens.core.corrected_report import items_of as items_of
    from framelens.core.corrections import LONGEST_AUTHOR as LONGEST_AUTHOR
    from framelens.core.corrections import MOST_CHARACTERS as MOST_CHARACTERS
    from framelens.core.corrections import Correction as Correction
    from framelens.core.corrections import CorrectionKind as CorrectionKind
    from framelens.core.corrections import proposals as proposals
    from framelens.core.corrections import redoable as redoable
    from framelens.core.corrections import undoable as undoable
    from framelens.jobs.stored.corrections import CorrectionOutcome as CorrectionOutcome
    from framelens.jobs.stored.corrections import Draft as Draft

else:
    __getattr__ = partial(exported, globals())
