"""Searchable index of stored analyses (SQLite FTS5): listed, filtered, searched and tagged.

Every stored analysis is listed at once; its details come from its entry (framelens.jobs.stored.library_entries).
FTS5 indexes whole analyses, so that the words may be in different passages of an analysis; the passages are determined
only for the few results that are shown. Without FTS5 (`is_plain`) the texts are searched for substrings.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from typing import Any, Literal, get_args

from framelens.core.codec import from_builtins
from framelens.core.domain import UNKNOWN_PATH, Outcome
from framelens.core.errors import InputError, StorageError
from framelens.core.files import readable
from framelens.core.roles import current_user, requires
from framelens.store.database import NOT_IN_TRASH, Store, listed, reading_record
from framelens.store.tokenizer import SearchTerm, body_of, found_in, match_of, places, terms_of, words_of

FORM = 3
"""Version of the entries. Increase it with any change to their contents, so that all of them are rebuilt."""
Kind = Literal["name", "answer", "summary", "chapter", "finding", "said", "screen"]
Order = Literal["best", "newest", "oldest", "name", "longest"]
LATEST = "latest"
"""Name of the newest analysis, accepted in place of its id."""
_ALL = "FROM jobs LEFT JOIN entries ON entries.job_id = jobs.id"
# In this order: joined the other way round, FTS5 would search again for each row.
_FOUND = "FROM words CROSS JOIN entries ON entries.number = words.rowid CROSS JOIN jobs ON jobs.id = entries.job_id"
_COLUMNS_OF_WORDS = ("name", "summary", "chapter", "finding", "said", "screen")
_WEIGHTS = "8, 4, 3, 3, 1, 1"  # of these columns, for bm25
_COLUMNS = (
    "jobs.id, jobs.created, jobs.name, jobs.state, jobs.owner, entries.seconds, ifnull(entries.model, ''),"
    " ifnull(entries.template, ''), ifnull(entries.language, ''), ifnull(entries.mode, ''), ifnull(entries.frames, 0),"
    " ifnull(entries.findings, 0), ifnull(entries.path, ''), ifnull(entries.title, ''), ifnull(entries.question, ''),"
    " ifnull(entries.start_seconds, 0.0), entries.end_seconds,"
    " (SELECT group_concat(tag, char(31)) FROM tags WHERE job_id = jobs.id),"
    " EXISTS (SELECT 1 FROM covers WHERE job_id = jobs.id)"
)
_ORDERS: Mapping[Order, str] = {
    "best": f"bm25(words, {_WEIGHTS}), jobs.rowid DESC",
    "newest": "jobs.created DESC, jobs.rowid DESC",
    "oldest": "jobs.created, jobs.rowid",
    "name": "jobs.name COLLATE NOCASE, jobs.rowid DESC",
    "longest": "entries.seconds DESC, jobs.rowid DESC",
}
_OF_MODEL: tuple[Kind, ...] = ("answer", "summary", "chapter", "finding")
_AROUND = 70  # characters before the first match that a hit shows, and a third of its length


@dataclass(frozen=True)
class Passage:
    """A piece of text of an analysis. `seconds` is its position in the video, None for text about all of it."""

    kind: Kind
    text: str
    seconds: float | None = None


@dataclass(frozen=True)
class EntrySummary:
    """Summary of an analysis.

    Attributes:
        seconds: Length of the video, None if it is unknown.
        mode: How the frames reached the model.
        path: File of the video.
        title: The model's headline.
        start_seconds: Start of the selected part of the video, the half-open range [start_seconds, end_seconds).
        end_seconds: End of the selected part, None for the end of the video.
    """

    state: str
    seconds: float | None = None
    model: str = ""
    template: str = ""
    language: str = ""
    mode: str = ""
    num_frames: int = 0
    num_findings: int = 0
    sha256: str = ""
    path: str = ""
    title: str = ""
    question: str = ""
    start_seconds: float = 0.0
    end_seconds: float | None = None


@dataclass(frozen=True)
class LibraryEntry:
    """A listed analysis; fields are empty until it is indexed. `owner` is the process that works on it."""

    id: str
    created: str
    name: str
    state: str
    owner: str
    seconds: float | None
    model: str
    template: str
    language: str
    mode: str
    num_frames: int
    num_findings: int
    path: str
    title: str
    question: str
    start_seconds: float
    end_seconds: float | None
    tags: tuple[str, ...]
    has_cover: bool


@dataclass(frozen=True)
class LibraryQuery:
    """A query for analyses, which must match all fields; an empty field matches everything.

    `since` and `until` are ISO times; the analysis was created in the half-open range [since, until).
    """

    words: str = ""
    states: tuple[str, ...] = ()
    model: str = ""
    template: str = ""
    language: str = ""
    tag: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True)
class Hit:
    """A passage that matches a query: an excerpt of its text, and the matches in it as ranges [start, end)."""

    kind: Kind
    seconds: float | None
    text: str
    marks: tuple[tuple[int, int], ...]


class LibraryIndex:
    """Index of the analyses of a store. Safe to use from several threads.

    Queries and changes are limited to analyses that the user of the context may see and that aren't in the trash,
    except in the methods that keep the index in step with the store: `put` and `stale`.

    The constructor and every method raise StorageError if the store refuses.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_plain = not self._has_words()
        if not self.is_plain:
            self._index_missing_words()

    # ---- changes

    def put(self, job_id: str, about: EntrySummary, passages: Sequence[Passage], cover: bytes) -> None:
        """Index an analysis in place of its old entry; ignore an analysis that was deleted from the store.

        Args:
            job_id: The analysis.
            about: Its summary.
            passages: Its searchable text.
            cover: Thumbnail as a JPEG, or empty.
        """
        with self._store.changing() as connection:
            if connection.execute("SELECT 1 FROM jobs WHERE id = ?", (job_id,)).fetchone() is None:
                return
            self._drop(connection, job_id)
            added = connection.execute(
                "INSERT INTO entries (job_id, form, state, seconds, model, template, language, mode, frames, findings,"
                f" sha256, path, title, question, start_seconds, end_seconds) VALUES (?{', ?' * 15})",
                (job_id, FORM, *astuple(about)),
            )
            connection.executemany(
                "INSERT INTO passages VALUES (?, ?, ?, ?, ?)",
                (
                    (job_id, index, passage.kind, passage.seconds, passage.text)
                    for index, passage in enumerate(passages)
                ),
            )
            if cover:
                connection.execute("INSERT INTO covers VALUES (?, ?)", (job_id, cover))
            if not self.is_plain and added.lastrowid:
                _index(connection, added.lastrowid, passages)

    def delete(self, job_id: str) -> None:
        """Delete an analysis from the store, with its images, results and entry."""
        with self._store.changing(frees=True) as connection:
            self._drop(connection, job_id)
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def stale(self) -> list[str]:
        """List the ids of the analyses that must be indexed (again), the newest first.

        A waiting or running analysis looks interrupted when it is read from the store; it is indexed again when it
        ends.
        """
        rows = self._store.select(
            "SELECT jobs.id FROM jobs LEFT JOIN entries ON entries.job_id = jobs.id"
            " WHERE (entries.form IS NOT ? OR (entries.state IS NOT jobs.state"
            " AND NOT (entries.state = 'interrupted' AND jobs.state IN ('queued', 'running'))))"
            f" AND jobs.id {NOT_IN_TRASH}"
            " ORDER BY jobs.rowid DESC",
            FORM,
        )
        return [job_id for (job_id,) in rows]

    @requires("analyst")
    def tag(self, job_ids: Iterable[str], tag: str) -> None:
        """Add a tag to these analyses."""
        clause, values = listed()
        with self._store.changing() as connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO tags SELECT id, ? FROM jobs WHERE id = ? AND {clause}",
                ((readable(tag), job_id, *values) for job_id in job_ids),
            )

    @requires("analyst")
    def untag(self, job_ids: Iterable[str], tag: str) -> None:
        """Remove a tag from these analyses."""
        clause, own = _visible_id("job_id")
        with self._store.changing() as connection:
            connection.executemany(
                f"DELETE FROM tags WHERE job_id = ? AND tag = ? AND {clause}",
                ((job_id, readable(tag), *own) for job_id in job_ids),
            )

    # ---- queries

    def find(
        self, query: LibraryQuery, *, order: Order, offset: int, limit: int, near: Sequence[str] = ()
    ) -> list[LibraryEntry]:
        """List the analyses that match a query.

        Args:
            query: The query.
            order: Order of the results; "best" is the best match, or the newest for a query without words.
            offset: Number of results to skip.
            limit: Number of results at most.
            near: Ids of analyses that semantic search found for the words, the nearest first; they are results too.
        """
        terms = terms_of(query.words)
        if near and terms and order == "best":
            return self.entries(self._merge_rankings(query, near)[offset : offset + limit])
        tail, values = self._where(query, terms, near)
        by = "newest" if order == "best" and (self.is_plain or not terms) else order
        rows = self._store.select(
            f"SELECT jobs.id {tail} ORDER BY {_ORDERS[by]} LIMIT ? OFFSET ?", *values, limit, offset
        )
        return self.entries([job_id for (job_id,) in rows])

    def count(self, query: LibraryQuery, *, near: Sequence[str] = ()) -> int:
        """Count the results of `find` without a limit."""
        tail, values = self._where(query, terms_of(query.words), near)
        return int(self._store.select(f"SELECT count(*) {tail}", *values)[0][0])

    def entry(self, job_id: str) -> LibraryEntry | None:
        """Get the entry of an analysis, or None."""
        return next(iter(self.entries([job_id])), None)

    def entries(self, job_ids: Iterable[str]) -> list[LibraryEntry]:
        """List the entries of these analyses, in this order; those that aren't listed are left out."""
        ids = tuple(job_ids)
        clause, own = listed()
        rows = self._store.select(
            f"SELECT {_COLUMNS} {_ALL} WHERE jobs.id IN (SELECT value FROM json_each(?)) AND {clause}",
            json.dumps(ids),
            *own,
        )
        by_id = {row[0]: _entry(row) for row in rows}
        return [by_id[job_id] for job_id in ids if job_id in by_id]

    def hits(self, job_id: str, typed: str, *, near: int | None = None, limit: int = 3) -> list[Hit]:
        """List the passages of an analysis that explain why it was found, the most informative first.

        Each contains as many as possible of the words that earlier passages don't contain; passages that repeat another
        passage are left out, and the name comes last.

        Args:
            job_id: The analysis.
            typed: The words as the user typed them.
            near: Index of the passage that semantic search found, returned if no passage contains any of the words.
            limit: Number of passages at most.
        """
        terms = terms_of(typed)
        if not terms:
            return []
        clause, own = _visible_id("job_id")
        rows = self._store.select(
            f"SELECT kind, text, seconds FROM passages WHERE job_id = ? AND {clause} ORDER BY kind = 'name', place",
            job_id,
            *own,
        )
        matched = [(passage, found_in(passage.text, terms)) for passage in (Passage(*row) for row in rows)]
        if best := _most_telling([pair for pair in matched if pair[1]], limit):
            return [_hit(passage, terms) for passage in best]
        return [_hit(passage, ()) for index, passage in self.passages(job_id) if index == near]

    def choices(self) -> dict[str, dict[str, int]]:
        """Return the values to filter by, each with its count, the most frequent first.

        Returns:
            Value to count for each of state, model, template, language and tag.
        """
        tables = {"state": "jobs", "model": "entries", "template": "entries", "language": "entries", "tag": "tags"}
        counts = {}
        for column, table in tables.items():
            clause, own = _visible_id("id" if table == "jobs" else "job_id")
            chosen = f"SELECT {column}, count(*) FROM {table} WHERE {column} <> '' AND {clause}"
            counts[column] = dict(self._store.select(f"{chosen} GROUP BY 1 ORDER BY 2 DESC, 1", *own))
        return counts

    def passages(self, job_id: str) -> list[tuple[int, Passage]]:
        """List the indexed passages of an analysis, each with its index."""
        clause, own = _visible_id("job_id")
        rows = self._store.select(
            f"SELECT place, kind, text, seconds FROM passages WHERE job_id = ? AND {clause} ORDER BY place",
            job_id,
            *own,
        )
        return [(index, Passage(kind, text, seconds)) for index, kind, text, seconds in rows]

    def hidden(self) -> frozenset[str]:
        """Return the ids of the analyses that the user may not see or that are in the trash."""
        clause, own = listed()
        rows = self._store.select(f"SELECT id FROM jobs WHERE NOT {clause}", *own)
        return frozenset(job_id for (job_id,) in rows)

    def cover(self, job_id: str) -> bytes:
        """Get the thumbnail of an analysis as a JPEG, empty without a thumbnail."""
        clause, own = _visible_id("job_id")
        rows = self._store.select(f"SELECT jpeg FROM covers WHERE job_id = ? AND {clause}", job_id, *own)
        return bytes(rows[0][0]) if rows else b""

    def resolve_id(self, reference: str) -> str:
        """Return the full id of an analysis.

        Args:
            reference: The id, a unique beginning of it, or "latest" for the newest analysis.

        Raises:
            InputError: "job_unknown" or "job_ambiguous".
        """
        if reference == LATEST:
            ids = [entry.id for entry in self.find(LibraryQuery(), order="newest", offset=0, limit=1)]
        elif self.entry(reference):
            ids = [reference]
        else:
            ids = self.ids_starting_with(reference) if reference else []
        if not ids:
            raise InputError("job_unknown", id=reference)
        if len(ids) > 1:
            raise InputError("job_ambiguous", id=reference, first=ids[0], second=ids[1])
        return ids[0]

    def ids_starting_with(self, text: str) -> list[str]:
        """List up to two ids that begin with this text, the newest first; two suffice to show that it is ambiguous."""
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        clause, own = listed()
        rows = self._store.select(
            f"SELECT id FROM jobs WHERE id LIKE ? ESCAPE '\\' AND substr(id, 1, ?) = ? AND {clause}"
            " ORDER BY rowid DESC LIMIT 2",
            f"{escaped}%",
            len(text),
            text,
            *own,
        )
        return [job_id for (job_id,) in rows]

    def reports_on(self, *, sha256: str = "", path: str = "") -> list[str]:
        """List the user's own finished analyses of a whole video, the newest first: of this content, or of this file.

        Returns:
            Their ids.
        """
        column, value = ("sha256", sha256) if sha256 else ("path", path)
        rows = self._store.select(
            f"SELECT jobs.id {_ALL} WHERE entries.{column} = ? AND entries.frames > 0 AND entries.start_seconds = 0"
            f" AND entries.end_seconds IS NULL AND jobs.state IN {get_args(Outcome)}"
            f" AND jobs.user_id = ? AND jobs.id {NOT_IN_TRASH}"
            " ORDER BY jobs.rowid DESC",
            value,
            current_user().id,
        )
        return [job_id for (job_id,) in rows]

    def about_content(self, sha256: str, limit: int) -> list[str]:
        """List the ids of the analyses of files with this content, whole or in part, the newest first."""
        clause, own = listed()
        rows = self._store.select(
            f"SELECT jobs.id {_ALL} WHERE entries.sha256 = ? AND {clause} ORDER BY jobs.rowid DESC LIMIT ?",
            sha256,
            *own,
            limit,
        )
        return [job_id for (job_id,) in rows]

    def one_of_each_file(self, sha256: str) -> list[str]:
        """List the newest analysis of each file with this content, those of imported reports left out.

        Returns:
            Their ids, the newest first.
        """
        clause, own = listed()
        rows = self._store.select(
            f"SELECT jobs.id, MAX(jobs.rowid) AS newest {_ALL} WHERE entries.sha256 = ? AND entries.path <> ?"
            f" AND {clause} GROUP BY entries.path, jobs.user_id ORDER BY newest DESC",
            sha256,
            str(UNKNOWN_PATH),
            *own,
        )
        return [job_id for job_id, _ in rows]

    def has_others_on(self, job_ids: Sequence[str], path: str, *, with_trash: bool = True) -> bool:
        """Return whether an analysis of any user, apart from `job_ids`, is about this file.

        Args:
            job_ids: The analyses that don't count.
            path: The file.
            with_trash: Whether analyses in the trash count.
        """
        others = f"path = ? AND job_id NOT IN ({', '.join('?' * len(job_ids))})"
        trash = "" if with_trash else f" AND job_id {NOT_IN_TRASH}"
        return bool(self._store.select(f"SELECT 1 FROM entries WHERE {others}{trash} LIMIT 1", path, *job_ids))

    def is_stored(self, job_id: str) -> bool:
        """Return whether this analysis of any user is stored, be it in the trash."""
        return bool(self._store.select("SELECT 1 FROM jobs WHERE id = ?", job_id))

    # ---- internals

    def _merge_rankings(self, query: LibraryQuery, near: Sequence[str]) -> list[str]:
        """Merge the rankings by words and by meaning.

        An analysis scores the sum of 1 / (60 + rank) over the rankings that contain it (reciprocal rank fusion:
        Cormack, Clarke and Büttcher, 2009).
        """
        tail, values = self._where(query, terms_of(query.words))
        by = _ORDERS["newest" if self.is_plain else "best"]
        worded = [job_id for (job_id,) in self._store.select(f"SELECT jobs.id {tail} ORDER BY {by}", *values)]
        tail, values = self._where(query, terms_of(query.words), near)
        allowed = {job_id for (job_id,) in self._store.select(f"SELECT jobs.id {tail}", *values)}
        scores: dict[str, float] = {}
        for ranking in (worded, [job_id for job_id in near if job_id in allowed]):
            for rank, job_id in enumerate(ranking, start=1):
                scores[job_id] = scores.get(job_id, 0.0) + 1 / (60 + rank)
        return sorted(scores, key=lambda job_id: -scores[job_id])

    def _where(
        self, query: LibraryQuery, terms: Sequence[SearchTerm], near: Sequence[str] = ()
    ) -> tuple[str, list[object]]:
        """Build the FROM and WHERE clauses of a query, with their values."""
        clause, own = listed()
        tail, clauses, values = _ALL, [clause], list[object](own)
        if terms and near:
            worded, worded_values = self._where(LibraryQuery(query.words), terms)
            clauses.append(f"(jobs.id IN (SELECT jobs.id {worded}) OR jobs.id IN ({', '.join('?' * len(near))}))")
            values += [*worded_values, *near]
        elif terms and not self.is_plain:
            tail = _FOUND
            clauses.append("words MATCH ?")
            values.append(match_of(terms))
        elif terms:
            for piece in query.words.replace('"', " ").split():
                clauses.append("jobs.id IN (SELECT job_id FROM passages WHERE instr(lower(text), lower(?)))")
                values.append(piece)
        if query.states:
            clauses.append(f"jobs.state IN ({', '.join('?' * len(query.states))})")
            values += query.states
        for column in ("model", "template", "language"):
            if value := getattr(query, column):
                clauses.append(f"entries.{column} = ?")
                values.append(value)
        if query.tag:
            clauses.append("jobs.id IN (SELECT job_id FROM tags WHERE tag = ?)")
            values.append(query.tag)
        for value, comparison in ((query.since, ">="), (query.until, "<")):
            if value:
                clauses.append(f"jobs.created {comparison} ?")
                values.append(value)
        return f"{tail} WHERE {' AND '.join(clauses)}", values

    def _has_words(self) -> bool:
        """Return whether this SQLite has FTS5; create the index if it doesn't exist yet."""
        columns = ", ".join(_COLUMNS_OF_WORDS)
        making = (
            f"CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5({columns},"
            " tokenize = 'unicode61 remove_diacritics 0', prefix = '2 3')"
        )
        try:
            self._store.select("SELECT 1 FROM words LIMIT 1")
        except StorageError:
            with suppress(StorageError), self._store.changing() as connection:
                connection.execute(making)
                return True
            return False
        return True

    def _index_missing_words(self) -> None:
        """Add entries that a SQLite without FTS5 wrote to the index."""
        missing = self._store.select(
            "SELECT number, job_id FROM entries WHERE number > (SELECT coalesce(max(rowid), 0) FROM words)"
        )
        for number, job_id in missing:
            rows = self._store.select("SELECT kind, text FROM passages WHERE job_id = ? ORDER BY place", job_id)
            with self._store.changing() as connection:
                _index(connection, number, [Passage(kind, text) for kind, text in rows])

    def _drop(self, connection: sqlite3.Connection, job_id: str) -> None:
        row = connection.execute("SELECT number FROM entries WHERE job_id = ?", (job_id,)).fetchone()
        if row and not self.is_plain:
            connection.execute("DELETE FROM words WHERE rowid = ?", row)
        for table in ("entries", "passages", "covers"):
            connection.execute(f"DELETE FROM {table} WHERE job_id = ?", (job_id,))


def _visible_id(column: str) -> tuple[str, tuple[str, ...]]:
    """Return `listed` for rows with the id of an analysis in `column`."""
    clause, own = listed()
    return (f"{column} IN (SELECT id FROM jobs WHERE {clause})", own) if own else (f"{column} {NOT_IN_TRASH}", ())


def _index(connection: sqlite3.Connection, number: int, passages: Sequence[Passage]) -> None:
    named = [
        ("summary" if passage.kind == "answer" else passage.kind, passage.text) for passage in passages
    ]  # which count the same
    bodies = [body_of(text for name, text in named if name == column) for column in _COLUMNS_OF_WORDS]
    names, values = ", ".join(_COLUMNS_OF_WORDS), ", ?" * len(bodies)
    connection.execute(f"INSERT OR REPLACE INTO words (rowid, {names}) VALUES (?{values})", (number, *bodies))


def _entry(row: tuple[Any, ...]) -> LibraryEntry:
    *values, tags, has_cover = row  # in the order of the fields
    values += (tuple(sorted(tags.split("\x1f"))) if tags else (), bool(has_cover))
    with reading_record(str(row[0])):
        return from_builtins(
            dict(zip((field.name for field in fields(LibraryEntry)), values, strict=True)), LibraryEntry
        )


def _most_telling(matches: list[tuple[Passage, frozenset[SearchTerm]]], limit: int) -> list[Passage]:
    """Choose at most `limit` of these passages, each given with the terms it contains.

    A finding often repeats the summary and adds a time; of two such passages the passage with the time is chosen.
    """
    chosen: list[Passage] = []
    shown: frozenset[SearchTerm] = frozenset()
    rest = [(passage, terms, f" {' '.join(words_of(passage.text))} ") for passage, terms in matches]
    while rest and len(chosen) < limit:
        best, terms, text = max(rest, key=lambda entry: (len(entry[1] - shown), len(entry[1])))  # the first of equals
        similar = [entry for entry in rest if entry[0] is best or _is_same(entry[0], entry[2], best, text)]
        equals = (passage for passage, others, _ in similar if others == terms and passage.seconds is not None)
        chosen.append(best if best.seconds is not None else next(equals, best))
        shown |= terms
        rest = [entry for entry in rest if entry not in similar]
    return chosen


def _is_same(passage: Passage, text: str, other: Passage, others: str) -> bool:
    """Return whether two passages have equal texts, or, if both are the model's, whether one contains the other."""
    if text == others:
        return True
    are_from_model = passage.kind in _OF_MODEL and other.kind in _OF_MODEL
    return are_from_model and (text in others or others in text)


def _hit(passage: Passage, terms: Sequence[SearchTerm]) -> Hit:
    """Build the excerpt of a passage around the first match."""
    spans = places(passage.text, terms)
    start = max(0, spans[0][0] - _AROUND) if spans else 0
    end = start + 3 * _AROUND
    text = passage.text[start:end]
    lead = "…" if start else ""
    marks = tuple(
        (len(lead) + left - start, len(lead) + min(right, end) - start) for left, right in spans if left < end
    )
    return Hit(passage.kind, passage.seconds, lead + text + ("…" if end < len(passage.text) else ""), marks)
