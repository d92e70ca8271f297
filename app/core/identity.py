"""Who a request, a job or a page acts for.

Without accounts there is one user, who may do everything. With accounts, the gate and the pages set the user of each
request, and a job carries its user along.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "analyst", "administrator"]
"""A viewer reads; an analyst uploads, analyses and asks; an administrator also changes models, settings and users."""


@dataclass(frozen=True)
class User:
    """A person or a program with rights.

    Attributes:
        id: Its id, "" for the one user of an installation without accounts.
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


LOCAL_USER = User("", "", "administrator")
_current: ContextVar[User] = ContextVar("user", default=LOCAL_USER)


def current_user() -> User:
    """Return the user of this context."""
    return _current.get()


@contextmanager
def as_user(user: User) -> Iterator[None]:
    """Act for a user within the context."""
    token = _current.set(user)
    try:
        yield
    finally:
        _current.reset(token)
