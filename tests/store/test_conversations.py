"""Stored conversations: found by words of any script, renamed, deleted, and gone with their analysis."""

import pytest

from framelens.core.errors import InputError
from framelens.store.conversations import ConversationRow, ConversationStore
from framelens.store.database import Row, Store
from framelens.store.library_index import LibraryIndex
from framelens.store.trash import Trash


@pytest.fixture
def store(store: Store) -> Store:
    store.save(Row("job", "2026-01-01", "clip.mp4", "done", "me", "{}"))
    return store


@pytest.fixture
def conversations(store: Store) -> ConversationStore:
    return ConversationStore(store)


def row(name: str, job_id: str = "job") -> ConversationRow:
    return ConversationRow(name, "2026-01-01", "", f"About {name}", "en", 1, (job_id,))


def add(conversations: ConversationStore, name: str, turns: dict[int, tuple[str, str, str]]) -> None:
    assert conversations.save(row(name), turns, are_new=True)


def ids(found: list[ConversationRow]) -> list[str]:
    return [one.id for one in found]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("红车", ["b"]),
        ("车红", []),
        ("RED car", ["a"]),
        ("car drove", ["a"]),
        ("driv", ["a"]),
        ("rive", []),
        ('"red car"', ["a"]),
        ('"car red"', []),
        ("about", ["b", "a"]),
        ("café", ["a"]),
        ("%", []),
        ("", ["b", "a"]),
    ],
)
def test_conversations_are_found_by_their_words(words: str, found: list[str], conversations: ConversationStore) -> None:
    add(conversations, "a", {1: ("Where is the red car?", "It drives off.", "{}"), 2: ("CAFE?", "drove", "{}")})
    add(conversations, "b", {1: ("红车什么时候出现？", "第一帧", "{}")})
    assert ids(conversations.find(words)) == found


def test_turns_are_kept_by_number_and_replaced(conversations: ConversationStore) -> None:
    add(conversations, "a", {1: ("Q", "", "old")})
    conversations.save(row("a"), {1: ("Q", "answer", "new"), 2: ("R", "", "second")})
    assert conversations.turns("a") == ["new", "second"] and conversations.get("a").current == 1
    assert ids(conversations.find("answer", job_ids=["x", "job"])) == ["a"]
    assert not conversations.find("Q", job_ids=["other"]) and not conversations.find(job_ids=[])


def test_new_name_is_kept_and_found(conversations: ConversationStore) -> None:
    add(conversations, "a", {1: ("Q", "", "{}")})
    conversations.rename("a", "Der Überfall")
    conversations.save(row("a"), {2: ("R", "", "{}")})
    assert conversations.get("a").name == "Der Überfall"
    assert ids(conversations.find("uberfall")) == ["a"] and not conversations.find("about")


def test_id_may_be_cut_short_but_not_ambiguous(conversations: ConversationStore) -> None:
    for name in ("abc", "abd"):
        add(conversations, name, {1: ("Q", "", "{}")})
    assert conversations.get("abd").id == "abd" and conversations.get("latest").id == "abd"
    for given, key in (("ab", "conversation_ambiguous"), ("x", "conversation_unknown"), ("", "conversation_unknown")):
        with pytest.raises(InputError, match=key):
            conversations.get(given)


def delete(store: Store, conversation_id: str) -> None:
    trash = Trash(store)
    for entry in trash.put([conversation_id], "conversation"):
        trash.purge_conversation(entry)


def test_deleting_an_analysis_deletes_its_conversations(store: Store, conversations: ConversationStore) -> None:
    add(conversations, "a", {1: ("Q", "", "{}")})
    LibraryIndex(store).delete("job")
    assert conversations.find() == [] and store.select("SELECT * FROM turns") == []
    with pytest.raises(InputError, match="job_unknown"):
        conversations.save(row("a"), {1: ("Q", "", "{}")})


def test_deleting_a_conversation_leaves_the_others(store: Store, conversations: ConversationStore) -> None:
    for name in ("a", "b"):
        add(conversations, name, {1: ("Q", "", "{}")})
    delete(store, "a")
    assert ids(conversations.find()) == ["b"] and len(store.select("SELECT * FROM turns")) == 1
    assert store.get("job") is not None


def test_conversation_goes_with_its_last_analysis(store: Store, conversations: ConversationStore) -> None:
    store.save(Row("other", "2026-01-01", "clip.mp4", "done", "me", "{}"))
    for name, about in (("both", ("other", "job")), ("one", ("job",)), ("none", ())):
        row = ConversationRow(name, "2026-01-01", "", name, "en", 1, about)
        assert conversations.save(row, {1: ("Q", "", "{}")}, are_new=True)
    assert conversations.get("both").about == ("other", "job")
    assert ids(conversations.find(job_ids=["other"])) == ["both"]
    LibraryIndex(store).delete("job")
    assert conversations.get("both").about == ("other",) and ids(conversations.find()) == ["none", "both"]
    delete(store, "none")
    with pytest.raises(InputError, match="conversation_unknown"):
        conversations.save(ConversationRow("none", "2026-01-01", "", "", "en", 1), {1: ("Q", "late", "{}")})
    LibraryIndex(store).delete("other")
    assert conversations.find() == []


def test_pictures_are_kept_once_and_go_with_the_last_user(store: Store, conversations: ConversationStore) -> None:
    conversations.keep_pictures({"x": b"X", "y": b"Y"})
    conversations.keep_pictures({"x": b"X"})
    for name, pictures in (("a", ["x", "y"]), ("b", ["x"])):
        assert conversations.save(row(name), {1: ("Q", "", "{}")}, pictures=pictures, are_new=True)
    assert conversations.pictures(["y", "x", "z"]) == {"x": b"X", "y": b"Y"}
    delete(store, "a")
    assert conversations.pictures(["x", "y"]) == {"x": b"X"}
    LibraryIndex(store).delete("job")
    assert conversations.pictures(["x", "y"]) == {}


def test_pictures_that_are_never_used_are_deleted(store: Store, conversations: ConversationStore) -> None:
    conversations.keep_pictures({"x": b"X", "y": b"Y"})
    with store.changing() as connection:
        connection.execute("UPDATE pictures SET added = '2026-01-01' WHERE sha256 = 'x'")
    conversations.keep_pictures({"z": b"Z"})
    assert conversations.pictures(["x", "y", "z"]) == {"y": b"Y", "z": b"Z"}
