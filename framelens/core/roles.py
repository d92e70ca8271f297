"""User that a request, a job or a page acts for.

Without accounts there is a single user, who may do everything. With accounts, the gate sets the user of each request, a
page answers for the user who is logged in there, and a job carries its user along.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Literal, ParamSpec, TypeVar, get_args

from framelens.core.errors import InputError

Role = Literal["viewer", "analyst", "administrator"]
"""A viewer reads; an analyst uploads, analyses and asks; an administrator also changes models, settings and users."""
NewUserRole = Literal["", "viewer", "analyst"]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class User:
    """A person or a program with rights.

    Attributes:
        id: Its id, "" for the only user of an installation without accounts.
        name: The name to show.
        role: What it may do.
    """

    id: str
    name: str
    role: Role

    @property
    def sees_all(self) -> bool:
        """Return whether what belongs to others is listed and opened, too."""
        return self.role == "administrator"

    def may(self, role: Role) -> bool:
        """Return whether the user has this role or a higher role."""
        roles = get_args(Role)
        return roles.index(self.role) >= roles.index(role)


LOCAL_USER = User("", "", "administrator")
_current: ContextVar[User | None] = ContextVar("user", default=None)
_page_user: Callable[[], User | None] | None = None


def current_user() -> User:
    """Return the user of this context, of the page that is drawn, or else the local user.

    Raises:
        InputError: "login_needed": the page that is drawn has no user.
    """
    return _current.get() or (_page_user and _page_user()) or LOCAL_USER


@contextmanager
def as_user(user: User) -> Iterator[None]:
    """Act for a user within the context."""
    token = _current.set(user)
    try:
        yield
    finally:
        _current.reset(token)


def set_page_user(read: Callable[[], User | None]) -> None:
    """Set what returns the user of the page that is drawn, None where no page is or there are no accounts."""
    global _page_user
    _page_user = read


def require_role(role: Role) -> None:
    """Check that the user of this context may do what this role may.

    Raises:
        InputError: "role_analyst" or "role_administrator".
    """
    user = current_user()
    if not user.may(role):
        raise InputError(f"role_{role}", name=user.name)


def requires(role: Role) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function that only users with this role, or a higher role, may call."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def checked(*args: P.args, **values: P.kwargs) -> T:
            require_role(role)
            return function(*args, **values)

        return checked

    return decorate


def sees(owner_id: str) -> bool:
    """Return whether the user of this context may see what belongs to `owner_id`, "" for no owner."""
    user = current_user()
    return user.sees_all or owner_id == user.id != ""


@dataclass(frozen=True)
class AccessSettings:
    """Access to the page.

    Attributes:
        insecure: Whether other machines may use the page although there are no accounts.
        expects_accounts: Whether there are settings for accounts, so that the plugin `accounts` must be there.
        idle_seconds: How long an unused session lasts.
        session_seconds: How long a session lasts at most.
        new_user_role: Role of users who log in through another service and have no account; "" refuses them.
        trusted_proxies: Addresses and networks of reverse proxies whose headers are believed.
    """

    insecure: bool = False
    expects_accounts: bool = False
    idle_seconds: float = 12 * 3600.0
    session_seconds: float = 168 * 3600.0
    new_user_role: NewUserRole = ""
    trusted_proxies: tuple[str, ...] = ()
