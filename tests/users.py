"""Users with an account, and what a plugin would know of their sessions."""

from framelens.composition import Services
from framelens.core.roles import AccessSettings, User, current_user
from framelens.store.authentication import LoginSession
from framelens.store.database import Store
from framelens.store.users import Users

ADA = User("u1", "ada", "administrator")
BEN = User("u2", "ben", "analyst")
EVE = User("u3", "eve", "viewer")


def add_users(store: Store, *users: User) -> None:
    """Add accounts without passwords."""
    with store.changing() as connection:
        rows = [(user.id, user.name, user.role) for user in users]
        connection.executemany("INSERT INTO accounts VALUES (?, ?, ?, '', '2026-01-01')", rows)


class FakeSessions:
    """Sessions whose users are looked up by their cookies."""

    def __init__(self, *users: User) -> None:
        self.users = {user.name: user for user in users}

    def session(self, cookie: str, *, uses: bool = False) -> LoginSession | None:
        user = self.users.get(cookie)
        return LoginSession(user, f"key of {cookie}") if user else None


def sessions_of(store: Store, settings: AccessSettings) -> FakeSessions:
    """Know a session of each user, whose cookie is the user's name."""
    return FakeSessions(*Users(store).all())


SESSIONS = {"parts": {"authentication": f"{__name__}:sessions_of"}}
"""A plugin that knows these sessions, for the fixture `use_plugins`."""


def with_sessions(services: Services, *users: User) -> FakeSessions:
    """Add accounts, each with a session whose cookie is the user's name."""
    add_users(services.store, *users)
    sessions = sessions_of(services.store, services.settings.access)
    services.authentication.plugin = sessions
    return sessions


def record(store: Store, action: str, object_id: str, object_name: str) -> None:
    """Keep an audit log as a plugin does."""
    with store.changing() as connection:
        connection.execute(
            "INSERT INTO audit (time, user_id, user_name, action, object_id, object_name) VALUES ('', ?, ?, ?, ?, ?)",
            (current_user().id, current_user().name, action, object_id, object_name),
        )


AUDIT = {"parts": {"audit": f"{__name__}:record"}}
"""A plugin that keeps an audit log, for the fixture `use_plugins`."""


def audited(store: Store) -> list[tuple[str, str, str]]:
    """Names of user, action and object of each entry, the oldest first."""
    return store.select("SELECT user_name, action, object_name FROM audit ORDER BY number")
