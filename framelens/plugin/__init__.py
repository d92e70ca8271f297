"""Public face for plugins: what they may import beside the names of `framelens`, in modules by theme.

Here are the hooks, and what nearly every plugin needs: the open services, the settings, texts, and who asks. Each name
is imported from its room on first use, so that listing plugins imports nothing heavy.
"""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.composition import Services as Services
    from framelens.composition import open_library as open_library
    from framelens.composition import open_services as open_services
    from framelens.composition import open_videos as open_videos
    from framelens.config import Settings as Settings
    from framelens.config import load as load
    from framelens.core.roles import LOCAL_USER as LOCAL_USER
    from framelens.core.roles import as_user as as_user
    from framelens.core.roles import current_user as current_user
    from framelens.core.roles import requires as requires
    from framelens.hookspecs import Hooks as Hooks
    from framelens.hookspecs import Page as Page
    from framelens.i18n import in_language as in_language
    from framelens.i18n import language as language
    from framelens.i18n import t as t
    from framelens.registry import hook as hook

else:
    __getattr__ = partial(exported, globals())
