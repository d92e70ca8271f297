"""Files that commands and exports write: their names, where they may be written, and errors of the disk."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.cli.report_output import Output as Output
    from framelens.cli.report_output import check_output_file as check_output_file
    from framelens.cli.report_output import check_output_folder as check_output_folder
    from framelens.cli.report_output import names_folder as names_folder
    from framelens.cli.report_output import overwrite_option as overwrite_option
    from framelens.cli.report_output import typed_output as typed_output
    from framelens.core.files import cut_to_bytes as cut_to_bytes
    from framelens.core.files import fitting_name as fitting_name
    from framelens.core.files import free_path as free_path
    from framelens.core.files import name_key as name_key
    from framelens.core.files import numbered as numbered
    from framelens.core.files import safe_file_name as safe_file_name
    from framelens.core.files import safe_stem as safe_stem
    from framelens.core.files import unused_name as unused_name
    from framelens.reports.files import atomic_write as atomic_write
    from framelens.reports.files import check_replaceable as check_replaceable
    from framelens.reports.files import written as written
    from framelens.reports.files import zipped as zipped
    from framelens.store.fs_utils import disk_errors as disk_errors
    from framelens.store.fs_utils import storage_errors as storage_errors

else:
    __getattr__ = partial(exported, globals())
