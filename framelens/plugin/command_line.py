"""Commands: their options, what they print, and how they are stopped."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.cli.analysis_options import analysis_options as analysis_options
    from framelens.cli.analysis_options import build_common_request as build_common_request
    from framelens.cli.analysis_options import engine_options as engine_options
    from framelens.cli.analysis_options import load_settings as load_settings
    from framelens.cli.analysis_options import print_failures as print_failures
    from framelens.cli.analysis_options import settle_model as settle_model
    from framelens.cli.common import PORT as PORT
    from framelens.cli.common import cancel_on_signals as cancel_on_signals
    from framelens.cli.common import finding_lines as finding_lines
    from framelens.cli.common import json_option as json_option
    from framelens.cli.common import print_json as print_json
    from framelens.cli.common import quiet_option as quiet_option
    from framelens.cli.common import split_list as split_list
    from framelens.cli.common import subtitles_option as subtitles_option
    from framelens.cli.common import use_language as use_language
    from framelens.cli.common import whole_number as whole_number
    from framelens.cli.common import wide_console as wide_console
    from framelens.cli.common import with_store as with_store
    from framelens.cli.common import worst_exit_code as worst_exit_code
    from framelens.cli.grammar import Choice as Choice
    from framelens.cli.grammar import Group as Group
    from framelens.cli.grammar import Options as Options
    from framelens.cli.grammar import argument as argument
    from framelens.cli.grammar import command as command
    from framelens.cli.grammar import flag as flag
    from framelens.cli.grammar import group as group
    from framelens.cli.grammar import option as option
    from framelens.cli.grammar import parse_output as parse_output
    from framelens.cli.grammar import parse_path as parse_path
    from framelens.cli.grammar import together as together
    from framelens.cli.listening import settle_speech as settle_speech
    from framelens.cli.progress import ProgressRows as ProgressRows
    from framelens.cli.progress_lines import ProgressLine as ProgressLine
    from framelens.config import as_given as as_given
    from framelens.config import checked_key as checked_key
    from framelens.config import export_environment as export_environment
    from framelens.jobs.keyframes import parse_seconds as parse_seconds
    from framelens.jobs.running import running as running

else:
    __getattr__ = partial(exported, globals())
