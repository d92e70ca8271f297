"""Users: accounts, roles and the audit log."""

from typing import TYPE_CHECKING, Any

from framelens.core import exported

if TYPE_CHECKING:
    from framelens.core.roles import Role as Role
    from framelens.core.roles import User as User
    from framelens.core.roles import require_role as require_role
    from framelens.store.access import Accounts as Accounts
    from framelens.store.accounts import AccountRow as AccountRow
    from framelens.store.accounts import AccountStore as AccountStore
    from framelens.store.audit import AuditEntry as AuditEntry
    from framelens.store.audit import AuditLog as AuditLog

else:

    def __getattr__(name: str) -> Any:
        return exported(globals(), name)
