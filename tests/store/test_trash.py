"""The trash: nothing finds what is in it, it comes back whole, and its time is counted by the clock."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from framelens.core.errors import AppError, InputError
from framelens.core.roles import User, as_user
from framelens.store.conversations import ConversationRow, ConversationStore
from framelens.store.database import Row, Store
from framelens.store.library_index import EntrySummary, LibraryIndex, LibraryQuery, Passage
from framelens.store.trash import KEPT_DAYS, Trash, TrashEntry
from tests.users import AUDIT, audited

ANN, BOB = User("u1", "ann", "analyst"), User("u2", "bob", "analyst")
ADA, VIC = User("u3", "ada", "administrator"), User("u1", "ann", "viewer")


@pytest.fixture
def trash(store: Store, use_plugins: Callable[..., None]) -> Trash:
    use_plugins(audit=AUDIT)
    return Trash(store)


def add(store: Store, job_id: str, user: User = ANN) -> None:
    """An analysis with an entry, a tag and a conversation."""
    library = LibraryIndex(store)
    store.save(Row(job_id, "2026-01-01", f"{job_id}.mp4", "done", "", "{}", same="same", user_id=user.id))
    about = EntrySummary("done", model="tiny", num_frames=1, sha256="abc", path="/v/one.mp4")
    library.put(job_id, about, [Passage("finding", "a parcel", 2.0)], b"jpeg")
    with as_user(user):
        library.tag([job_id], "gate")
        row = ConversationRow(f"about-{job_id}", "2026", "2026", "talk", "en", 1, (job_id,))
        ConversationStore(store).save(row, {1: ("parcel?", "yes", "{}")}, are_new=True)


def found(store: Store, job_id: str) -> set[str]:
    """The ways to find an analysis that find this analysis."""
    library, conversations = LibraryIndex(store), ConversationStore(store)
    near = [job_id]
    ways = {
        "get": store.get(job_id),
        "recent": [row for row in store.recent(9) if row.id == job_id],
        "state": [row for row in store.in_states("done") if row.id == job_id],
        "same": [row for row in store.same_as("same") if row.id == job_id],
        "entry": library.entry(job_id),
        "list": library.find(LibraryQuery(), order="newest", offset=0, limit=9),
        "words": library.find(LibraryQuery("parcel"), order="best", offset=0, limit=9),
        "near": library.find(LibraryQuery("lorry"), order="best", offset=0, limit=9, near=near),
        "count": library.count(LibraryQuery()),
        "tag": library.choices()["tag"],
        "model": library.choices()["model"],
        "state choice": library.choices()["state"],
        "hits": library.hits(job_id, "parcel"),
        "passages": library.passages(job_id),
        "cover": library.cover(job_id),
        "beginning": library.ids_starting_with(job_id[:2]),
        "reports": library.reports_on(sha256="abc"),
        "content": library.about_content("abc", 9),
        "near allowed": job_id not in library.hidden(),
        "conversation": conversations.find(),
        "its words": conversations.find("parcel"),
        "of job": conversations.find(job_ids=[job_id]),
    }
    return {name for name, one in ways.items() if one}


def test_nothing_finds_what_is_in_the_trash(store: Store, trash: Trash) -> None:
    add(store, "one")
    with as_user(ANN):
        before = found(store, "one")
        assert len(before) == 22
        assert [entry.name for entry in trash.put(["one", "one", "none"])] == ["one.mp4"]
        assert found(store, "one") == set()
        assert [entry.id for entry in trash.entries()] == ["one"]
        with pytest.raises(InputError, match="conversation_unknown"):
            ConversationStore(store).get("about-one")
        with pytest.raises(InputError, match="job_unknown"):
            row = ConversationRow("new", "2026", "2026", "talk", "en", 1, ("one",))
            ConversationStore(store).save(row, {}, are_new=True)
        LibraryIndex(store).tag(["one"], "other")
        assert [entry.id for entry in trash.restore(["one"])] == ["one"]
        assert found(store, "one") == before
        assert LibraryIndex(store).choices()["tag"] == {"gate": 1}
        assert trash.entries() == [] and trash.restore(["one"]) == []
    assert audited(store) == [("ann", "trash", "one.mp4"), ("ann", "untrash", "one.mp4")]


def test_trash_is_not_indexed_nor_taken_over(store: Store, trash: Trash) -> None:
    add(store, "one")
    (row,) = store.recent(1)
    trash.put(["one"])
    with store.changing() as connection:
        connection.execute("UPDATE entries SET form = 0")
    library = LibraryIndex(store)
    assert library.stale() == []
    assert not store.take_over(row, "other", "queued")
    trash.restore(["one"])
    assert library.stale() == ["one"]


def test_video_of_the_trash_is_in_use(store: Store, trash: Trash) -> None:
    add(store, "one")
    add(store, "two")
    trash.put(["one"])
    library = LibraryIndex(store)
    assert library.has_others_on(["two"], "/v/one.mp4")
    assert not library.has_others_on(["two"], "/v/one.mp4", with_trash=False)
    assert library.is_stored("one")


def test_conversation_about_two_loses_one_until_it_is_back(store: Store, trash: Trash) -> None:
    add(store, "one")
    add(store, "two")
    conversations = ConversationStore(store)
    with as_user(ANN):
        row = ConversationRow("both", "2026", "2026", "talk", "en", 1, ("one", "two"))
        conversations.save(row, {1: ("q", "a", "{}")}, are_new=True)
        trash.put(["one"])
        assert conversations.get("both").about == ("two",)
        conversations.save(conversations.get("both"), {1: ("q", "b", "{}")})
        trash.put(["two"])
        assert conversations.find() == []
        trash.restore(["one", "two"])
        assert conversations.get("both").about == ("one", "two")
        trash.put(["one"])
        LibraryIndex(store).delete("two")
        assert conversations.find() == []
        trash.restore(["one"])
        assert conversations.get("both").about == ("one",)


def test_conversation_comes_back_whole(store: Store, trash: Trash) -> None:
    add(store, "one")
    conversations = ConversationStore(store)
    with as_user(ANN):
        conversations.keep_pictures({"x": b"X"})
        conversations.save(conversations.get("about-one"), {2: ("q", "a", "{}")}, pictures=["x"])
        before = conversations.get("about-one")
        (entry,) = trash.put(["about-one", "about-one", "one"], "conversation")
        assert (entry.id, entry.kind, entry.name, entry.path) == ("about-one", "conversation", "talk", "")
        assert conversations.find() == [] == conversations.find(job_ids=["one"])
        assert found(store, "one") >= {"get", "entry"}
        for look in (conversations.get, lambda one: conversations.save(before, {3: ("q", "late", "{}")})):
            with pytest.raises(InputError, match="conversation_unknown"):
                look("about-one")
        conversations.rename("about-one", "other")
        assert trash.restore(["about-one"]) == [entry]
        assert conversations.get("about-one") == before and len(conversations.turns("about-one")) == 2
        assert conversations.pictures(["x"]) == {"x": b"X"} and trash.entries() == []
    with as_user(BOB):
        assert trash.put(["about-one"], "conversation") == []
    assert audited(store) == [("ann", "trash", "talk"), ("ann", "untrash", "talk")]


def test_conversation_is_deleted_for_good(store: Store, trash: Trash) -> None:
    add(store, "one")
    conversations = ConversationStore(store)
    conversations.keep_pictures({"x": b"X"})
    conversations.save(conversations.get("about-one"), {2: ("q", "a", "{}")}, pictures=["x"])
    (entry,) = trash.put(["about-one"], "conversation")
    trash.restore(["about-one"])
    with pytest.raises(InputError, match="trash_unknown"):
        trash.purge_conversation(entry)
    (entry,) = trash.put(["about-one"], "conversation")
    trash.purge_conversation(entry)
    assert trash.entries() == [] and trash.restore(["about-one"]) == []
    assert [store.select(f"SELECT * FROM {one}") for one in ("turns", "pictures", "trash")] == [[], [], []]
    assert store.get("one") is not None


def test_no_orphan_stays_in_the_trash(store: Store, trash: Trash) -> None:
    for job_id in ("one", "two"):
        add(store, job_id)
        assert trash.put([f"about-{job_id}"], "conversation")
    trash.put(["one"])
    assert [entry.id for entry in trash.entries()] == ["one", "about-two", "about-one"]
    LibraryIndex(store).delete("one")
    assert store.select("SELECT id, kind FROM trash") == [("about-two", "conversation")]


def test_trash_of_others_is_not_there(store: Store, trash: Trash) -> None:
    add(store, "one")
    with as_user(BOB):
        assert trash.put(["one"]) == []
    with as_user(ANN):
        assert trash.put(["one"])
    with as_user(BOB):
        assert (trash.entries(), trash.entry("one"), trash.restore(["one"])) == ([], None, [])
        assert store.get_trashed("one") is None
        with pytest.raises(InputError, match="trash_unknown"):
            trash.resolve("one")
    with as_user(VIC):
        assert [entry.id for entry in trash.entries()] == ["one"]
        for change in (trash.put, trash.restore):
            with pytest.raises(AppError):
                change(["one"])
    with as_user(ADA):
        assert [entry.id for entry in trash.restore(["one"])] == ["one"]
    assert found(store, "one") >= {"get"}


def test_expired_by_the_clock(store: Store, trash: Trash, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, "one")
    add(store, "two")
    trash.put(["one"])
    now = time.time()
    assert [entry.days_left for entry in trash.entries()] == [KEPT_DAYS]
    monkeypatch.setattr("time.time", lambda: now + 86_400)
    trash.put(["two"])
    day = KEPT_DAYS * 86_400
    for seconds, ids, left in ((day - 60, [], [2, 1]), (day + 60, ["one"], [1, 1]), (2 * day, ["one", "two"], [1, 1])):
        monkeypatch.setattr("time.time", lambda seconds=seconds: now + seconds)
        assert [entry.id for entry in trash.expired()] == ids
        assert [entry.days_left for entry in trash.entries()] == left


def test_ids_are_completed(store: Store, trash: Trash) -> None:
    for job_id in ("aa1", "aa12", "b"):
        add(store, job_id)
        trash.put([job_id])
    assert [trash.resolve(given).id for given in ("aa1", "aa12", "b", "latest")] == ["aa1", "aa12", "b", "b"]
    for given, key in (("aa", "job_ambiguous"), ("x", "trash_unknown"), ("", "trash_unknown")):
        with pytest.raises(InputError, match=key):
            trash.resolve(given)


def test_days_left_begin_with_the_first() -> None:
    deleted = datetime.now(UTC) - timedelta(days=3, hours=1)
    assert TrashEntry("one", "report", "one", deleted.isoformat()).days_left == KEPT_DAYS - 3
