"""Stored conversations: kept turn by turn with their pictures, listed, searched and renamed.

The documents of the turns are not interpreted here. A conversation is deleted with the last of its analyses, and a
picture with the last conversation that has it; a conversation whose analyses are all in the trash is hidden. A
conversation itself can be in the trash, too (framelens.store.trash).
"""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from framelens.core.errors import InputError
from framelens.core.roles import current_user
from framelens.store.database import NOT_IN_TRASH, Store, listed, visible
from framelens.store.library_index import LATEST
from framelens.store.tokenizer import SearchTerm, body_of, terms_of

_COLUMNS = "id, created, changed, name, language, current, everywhere"
_ABOUT = (
    "(SELECT json_group_array(job_id) FROM"
    f" (SELECT job_id FROM conversation_jobs WHERE conversation_id = conversations.id AND job_id {NOT_IN_TRASH}"
    " ORDER BY place))"
)
_OF_JOBS = "SELECT conversation_id FROM conversation_jobs"
_NOT_HIDDEN = f"id {NOT_IN_TRASH} AND (id NOT IN ({_OF_JOBS}) OR id IN ({_OF_JOBS} WHERE job_id {NOT_IN_TRASH}))"
_UNUSED = timedelta(days=1)
"""Age at which a picture without a conversation is deleted."""


@dataclass(frozen=True)
class ConversationRow:
    """A stored conversation without its turns.

    Attributes:
        changed: Set when it is saved.
        about: Ids of analyses.
        everywhere: Whether it is about the whole library; it stays so.
    """

    id: str
    created: str
    changed: str
    name: str
    language: str
    current: int
    about: tuple[str, ...] = ()
    everywhere: bool = False


class ConversationStore:
    """Conversations of a store that the user of the context may see.

    Safe to use from several threads; every method raises StorageError.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(
        self,
        row: ConversationRow,
        turns: Mapping[int, tuple[str, str, str]],
        *,
        pictures: Collection[str] = (),
        are_new: bool = False,
    ) -> bool:
        """Insert a conversation or replace its row, and insert or replace these turns; its name and subjects stay.

        Args:
            row: The conversation.
            turns: Question, answer and document of each turn, by number.
            pictures: SHA-256 of the stored pictures that the turns need.
            are_new: Change nothing if any of the numbers is taken.

        Returns:
            False if nothing was changed, because another program has added a turn.

        Raises:
            InputError: "job_unknown": all its analyses were deleted, or "conversation_unknown": the conversation was.
        """
        with self._store.changing() as connection:
            marks = ", ".join("?" * len(row.about))
            clause, values = listed()
            query = f"SELECT id FROM jobs WHERE id IN ({marks}) AND {clause}"
            existing = {analysis_id for (analysis_id,) in connection.execute(query, (*row.about, *values))}
            if row.about and not existing:
                raise InputError("job_unknown", id=row.about[0])
            is_stored = bool(self._rows("id = ?", row.id))
            if not is_stored and connection.execute("SELECT 1 FROM conversations WHERE id = ?", (row.id,)).fetchone():
                raise InputError("conversation_unknown", id=row.id)
            numbers = connection.execute("SELECT number FROM turns WHERE conversation_id = ?", (row.id,)).fetchall()
            if are_new and not turns.keys().isdisjoint(number for (number,) in numbers):
                return False
            if not is_stored and not are_new:
                raise InputError("conversation_unknown", id=row.id)
            connection.execute(
                f"INSERT INTO conversations ({_COLUMNS}, words, user_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET changed = excluded.changed, current = excluded.current,"
                " everywhere = max(everywhere, excluded.everywhere)",
                (
                    row.id,
                    row.created,
                    datetime.now(UTC).isoformat(timespec="milliseconds"),
                    row.name,
                    row.language,
                    row.current,
                    row.everywhere,
                    _index_text(row.name),
                    current_user().id,
                ),
            )
            if not is_stored:
                subjects = [
                    (row.id, index, analysis_id)
                    for index, analysis_id in enumerate(row.about)
                    if analysis_id in existing
                ]
                connection.executemany("INSERT INTO conversation_jobs VALUES (?, ?, ?)", subjects)
            connection.executemany(
                "INSERT OR REPLACE INTO turns VALUES (?, ?, ?, ?)",
                (
                    (row.id, number, _index_text(question, answer), document)
                    for number, (question, answer, document) in turns.items()
                ),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO conversation_pictures VALUES (?, ?)", ((row.id, picture) for picture in pictures)
            )
        return True

    def keep_pictures(self, pictures: Mapping[str, bytes]) -> None:
        """Store JPEGs by their SHA-256, each once; a picture that no conversation gets within a day is deleted."""
        now = datetime.now(UTC)
        with self._store.changing() as connection:
            connection.executemany(
                "INSERT INTO pictures VALUES (?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET added = excluded.added",
                ((sha256, now.isoformat(), jpeg) for sha256, jpeg in pictures.items()),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO picture_users VALUES (?, ?)",
                ((picture, current_user().id) for picture in pictures),
            )
            connection.execute(
                "DELETE FROM pictures WHERE added < ? AND sha256 NOT IN (SELECT sha256 FROM conversation_pictures)",
                ((datetime.fromtimestamp(time.time(), UTC) - _UNUSED).isoformat(),),
            )

    def pictures(self, sha256s: Collection[str]) -> dict[str, bytes]:
        """Get the stored pictures among these that the user may see, by SHA-256."""
        clause, values = visible("user_id")
        own = "1" if not values else f"sha256 IN (SELECT sha256 FROM picture_users WHERE {clause})"
        sha256s_json = json.dumps(list(sha256s))
        query = f"SELECT sha256, jpeg FROM pictures WHERE sha256 IN (SELECT value FROM json_each(?)) AND {own}"
        return dict(self._store.select(query, sha256s_json, *values))

    def get(self, conversation_id: str) -> ConversationRow:
        """Get a conversation.

        Args:
            conversation_id: Its id, a unique beginning of it, or "latest" for the conversation that changed last.

        Raises:
            InputError: "conversation_unknown" or "conversation_ambiguous".
        """
        rows = self.find(limit=1) if conversation_id == LATEST else self._rows("id = ?", conversation_id)
        if not rows and conversation_id:
            start = "substr(id, 1, ?) = ? LIMIT 2"
            rows = self._rows(start, len(conversation_id), conversation_id)
        if not rows:
            raise InputError("conversation_unknown", id=conversation_id)
        if len(rows) > 1:
            raise InputError("conversation_ambiguous", id=conversation_id, first=rows[0].id, second=rows[1].id)
        return rows[0]

    def turns(self, conversation_id: str) -> list[str]:
        """List the documents of the turns of a conversation, by number."""
        rows = self._store.select(
            "SELECT document FROM turns WHERE conversation_id = ? ORDER BY number", conversation_id
        )
        return [document for (document,) in rows]

    def find(self, words: str = "", *, job_ids: Sequence[str] | None = None, limit: int = 50) -> list[ConversationRow]:
        """List conversations, the last changed first.

        Args:
            words: Words that its name, questions or answers must contain; as in the library's search.
            job_ids: Only those about these analyses; None for all.
            limit: Number of results at most.
        """
        clauses, values = ["1"], list[object]()
        if job_ids is not None:
            about = "SELECT conversation_id FROM conversation_jobs WHERE job_id IN"
            clauses.append(f"id IN ({about} ({', '.join('?' * len(job_ids))}))")
            values += job_ids
        terms = terms_of(words)
        if words.strip() and not terms:  # signs alone, which no text contains as words
            return []
        for term in terms:
            clauses.append("(instr(words, ?) OR id IN (SELECT conversation_id FROM turns WHERE instr(turns.words, ?)))")
            values += [_needle(term)] * 2
        return self._rows(f"{' AND '.join(clauses)} ORDER BY changed DESC, rowid DESC LIMIT ?", *values, limit)

    def rename(self, conversation_id: str, name: str) -> None:
        """Give a conversation another name."""
        clause, values = _visibility()
        with self._store.changing() as connection:
            connection.execute(
                f"UPDATE conversations SET name = ?, words = ? WHERE id = ? AND {clause}",
                (name, _index_text(name), conversation_id, *values),
            )

    def _rows(self, tail: str, *values: object) -> list[ConversationRow]:
        """List the conversations that the user may see, and for which the condition at the start of `tail` is true."""
        names, (clause, own) = _COLUMNS.split(", "), _visibility()
        rows = self._store.select(
            f"SELECT {_COLUMNS}, {_ABOUT} FROM conversations WHERE {clause} AND {tail}", *own, *values
        )
        return [
            ConversationRow(**dict(zip(names, row, strict=True)), about=tuple(json.loads(about)))
            for *row, about in rows
        ]


def _visibility() -> tuple[str, tuple[str, ...]]:
    """Return an SQL condition, with its values, for the conversations that the user sees and the trash doesn't hide."""
    clause, values = visible("user_id")
    return f"{_NOT_HIDDEN} AND {clause}", values


def _index_text(*texts: str) -> str:
    return f" {body_of(texts)} "


def _needle(term: SearchTerm) -> str:
    """Return the text that stored words must contain for this term."""
    return f" {' '.join(term.words)}{'' if term.is_open else ' '}"
