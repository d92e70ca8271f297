"""Users: their roles, their sessions and the audit log."""

from functools import partial
from typing import TYPE_CHECKING

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.roles import AccessSettings as AccessSettings
    from framelens.core.roles import Role as Role
    from framelens.core.roles import User as User
    from framelens.store.audit import AuditLog as AuditLog
    from framelens.store.authentication import COOKIE as COOKIE
    from framelens.store.authentication import LoginSession as LoginSession
    from framelens.store.users import Users as Users

else:
    __getattr__ = partial(exported, globals())
