"""What is found by which words, what is listed, and that the list stays in step with the store."""

import pytest

from framelens.core.domain import UNKNOWN_PATH
from framelens.core.errors import StorageError
from framelens.core.roles import User, as_user
from framelens.store import library_index as library_module
from framelens.store.database import Row, Store
from framelens.store.library_index import EntrySummary, LibraryIndex, LibraryQuery, Passage
from framelens.store.tokenizer import places, terms_of


@pytest.fixture
def library(store: Store) -> LibraryIndex:
    return LibraryIndex(store)


def put(store: Store, library: LibraryIndex, job_id: str, *texts: str, state: str = "done", **about: object) -> None:
    store.save(Row(job_id, f"2026-01-{len(library.stale()) + 1:02d}", f"{job_id}.mp4", state, "", "{}"))
    passages = [Passage("finding", text, float(place)) for place, text in enumerate(texts)]
    library.put(job_id, EntrySummary(state, **about), passages, b"")  # type: ignore[arg-type]


def found(library: LibraryIndex, words: str, **more: object) -> set[str]:
    wanted = LibraryQuery(words, **more)  # type: ignore[arg-type]
    entries = library.find(wanted, order="best", offset=0, limit=99)
    assert library.count(wanted) == len(entries)
    return {entry.id for entry in entries}


CHINESE = "一辆红车从左侧驶入停车场"
MIXED = "他说：“Go to Café №7”，然后离开ＡＢＣ大楼"
ENGLISH = "A red car; the carpet was not touched"


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("红车", {"chinese"}),
        ("车红", set()),
        ("车", {"chinese"}),
        ("停车场 红车", {"chinese"}),
        ("停车厂", set()),
        ("cafe", {"mixed"}),
        ("CAFÉ 离开", {"mixed"}),
        ("abc大楼", {"mixed"}),
        ("car", {"english"}),
        ("carp", {"english"}),
        ('"car"', {"english"}),
        ('"carp"', set()),
        ('"red car"', {"english"}),
        ('"car red"', set()),
        ("arpet", set()),
        ("red 红车", set()),
    ],
)
def test_words_of_any_script_are_found_and_others_are_not(
    store: Store, library: LibraryIndex, words: str, ids: set[str]
) -> None:
    put(store, library, "chinese", CHINESE)
    put(store, library, "mixed", MIXED)
    put(store, library, "english", ENGLISH)
    assert found(library, words) == ids


@pytest.mark.parametrize(
    "words",
    ['"', "AND OR NOT NEAR", "red*^:(car)", "-car", "finding:red", "'); DROP TABLE jobs; --", "\x00", "%", "a" * 9999],
)
def test_what_a_query_language_would_mean_is_only_words_here(store: Store, library: LibraryIndex, words: str) -> None:
    put(store, library, "english", ENGLISH)
    found(library, words)
    library.hits("english", words)
    assert found(library, "red") == {"english"}


def test_words_match_across_passages_but_phrases_in_one(store: Store, library: LibraryIndex) -> None:
    put(store, library, "job", "there is a red", "car at the gate", "红", "车")
    assert found(library, "red car") == {"job"}
    assert found(library, '"red car"') == set()
    assert found(library, "红车") == set()


def test_a_hit_names_the_time_and_marks_the_words(store: Store, library: LibraryIndex) -> None:
    put(store, library, "job", "nothing here", "x" * 200 + " the Café opens and the CAR comes", "a car")
    first, second = library.hits("job", "cafe car")
    assert first.seconds == 1.0
    assert [first.text[start:end] for start, end in first.marks] == ["Café", "CAR"]
    assert first.text.startswith("…") and len(first.text) < 300
    assert (second.seconds, second.text) == (2.0, "a car")
    assert library.hits("job", "lorry") == []


def hits_of(store: Store, library: LibraryIndex, words: str, *passages: Passage) -> list[tuple[str, float | None]]:
    put(store, library, "job")
    library.put("job", EntrySummary("done"), passages, b"")
    return [(hit.kind, hit.seconds) for hit in library.hits("job", words)]


def test_hits_show_each_sentence_once_with_its_words(store: Store, library: LibraryIndex) -> None:
    # Same sentence is shown once and with its time.
    text = "A red car waits at the gate."
    passages = (Passage("summary", text), Passage("finding", text, 4.0), Passage("screen", "GATE", 9.0))
    assert hits_of(store, library, "gate", *passages) == [("finding", 4.0), ("screen", 9.0)]
    # Hits show every word that was looked for.
    passages = [Passage("said", f"the gate, time {number}", float(number)) for number in range(9)]
    found = hits_of(store, library, "gate lorry", *passages, Passage("finding", "a lorry", 20.0))
    assert found == [("said", 0.0), ("finding", 20.0), ("said", 1.0)]
    # Marks lie on the text unchanged written.
    text = "ﬁne Straße, 全角ＡＢＣ, e\u0301te"
    for word in ("fine", "strasse", "abc", "ete"):
        ((start, end),) = places(text, terms_of(word))
        assert text[start:end]


def test_best_hits_come_first_and_names_last(store: Store, library: LibraryIndex) -> None:
    # Match in the name is shown last.
    passages = (Passage("name", "gate.mp4"), Passage("finding", "A gate opens.", 4.0))
    assert hits_of(store, library, "gate", *passages) == [("finding", 4.0), ("name", None)]
    # What fits best comes first.
    put(store, library, "aside", "a long account of a street, " * 20 + "with a lorry")
    put(store, library, "about", "a lorry", "the lorry again", "lorry")
    best = library.find(LibraryQuery("lorry"), order="best", offset=0, limit=9)
    assert [entry.id for entry in best] == ["about", "aside"]


def test_filters_narrow_the_list_and_can_be_combined(store: Store, library: LibraryIndex) -> None:
    put(store, library, "a", "red", model="m1", template="log", language="en")
    put(store, library, "b", "red", model="m2", template="log", language="zh")
    put(store, library, "c", "red", state="failed", model="m1")
    library.tag(["a", "b"], "gate")
    assert found(library, "", model="m1") == {"a", "c"}
    assert found(library, "red", states=("done",), tag="gate", language="zh") == {"b"}
    assert found(library, "", since="2026-01-01", until="2026-01-01") == set()
    assert library.choices()["tag"] == {"gate": 2}
    library.untag(["a"], "gate")
    assert found(library, "", tag="gate") == {"b"}


@pytest.mark.slow
def test_pages_follow_one_another_without_gap_or_overlap(store: Store, library: LibraryIndex) -> None:
    for number in range(7):
        put(store, library, f"job{number}", "red")
    pages = [library.find(LibraryQuery(), order="newest", offset=offset, limit=3) for offset in (0, 3, 6)]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert len({entry.id for page in pages for entry in page}) == 7


def test_tag_that_is_no_unicode_is_escaped(store: Store, library: LibraryIndex) -> None:
    put(store, library, "job", "a lorry")
    library.tag(["job"], "caf\udce9")
    assert store.select("SELECT tag FROM tags") == [(r"caf\xe9",)]
    library.untag(["job"], "caf\udce9")
    assert store.select("SELECT tag FROM tags") == []


def test_replaced_or_deleted_entry_loses_its_words(store: Store, library: LibraryIndex) -> None:
    put(store, library, "job", "a lorry")
    put(store, library, "job", "a bicycle")
    assert found(library, "lorry") == set()
    assert found(library, "bicycle") == {"job"}
    library.tag(["job"], "gate")
    library.delete("job")
    assert found(library, "bicycle") == set()
    for table in ("jobs", "entries", "passages", "tags", "covers", "words"):
        assert store.select(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_gone_and_stale_jobs_keep_no_entries(store: Store, library: LibraryIndex) -> None:
    # An entry for a job that is gone is not kept.
    library.put("gone", EntrySummary("done"), [Passage("finding", "red")], b"")
    assert store.select("SELECT count(*) FROM passages") == [(0,)]
    # Changed or unindexed job is stale.
    put(store, library, "job", "red")
    assert library.stale() == []
    store.save(Row("job", "2026-01-01", "job.mp4", "running", "", "{}"))
    store.save(Row("new", "2026-01-02", "new.mp4", "done", "", "{}"))
    assert library.stale() == ["new", "job"]
    assert found(library, "") == {"job", "new"}


def test_ids_are_found_by_their_beginning_letter_by_letter(store: Store, library: LibraryIndex) -> None:
    for job_id in ("aB1", "ab2", "a_3", "a%4"):
        store.save(Row(job_id, "2026", "x", "done", "", "{}"))
    assert library.ids_starting_with("aB") == ["aB1"]
    assert library.ids_starting_with("a_") == ["a_3"]
    assert len(library.ids_starting_with("a")) == 2
    assert library.ids_starting_with("z") == []


def test_analyses_of_the_same_content_are_found_however_old(store: Store, library: LibraryIndex) -> None:
    put(store, library, "first", sha256="ab")
    put(store, library, "of a part", sha256="ab", start_seconds=2.0)
    for number in range(70):
        put(store, library, f"other {number}", sha256="cd")
    assert library.about_content("ab", 9) == ["of a part", "first"]
    assert len(library.about_content("cd", 9)) == 9
    with as_user(User("bob", "bob", "analyst")):
        assert library.about_content("ab", 9) == []


def test_each_file_is_named_once_however_many_reports(store: Store, library: LibraryIndex) -> None:
    for number, path in enumerate(("a.mp4", "b.mp4", "a.mp4", *[str(UNKNOWN_PATH)] * 70)):
        put(store, library, f"job {number}", sha256="ab", path=path)
    assert library.one_of_each_file("ab") == ["job 2", "job 1"]


def test_search_without_fts5_scans_and_indexes_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(library_module.LibraryIndex, "_has_words", lambda self: False)
        plain = LibraryIndex(store)
        put(store, plain, "job", CHINESE, "a RED car")
        assert plain.is_plain
        assert found(plain, "红车 red") == {"job"}
        assert found(plain, "lorry") == set()
        assert plain.hits("job", "红车")[0].seconds == 0.0
    later = LibraryIndex(store)
    assert not later.is_plain
    assert found(later, "红车") == {"job"}


def test_nothing_is_half_deleted_where_the_disk_refuses(store: Store, library: LibraryIndex) -> None:
    put(store, library, "job", "red")
    store.select("PRAGMA query_only = ON")
    with pytest.raises(StorageError):
        library.delete("job")
    store.select("PRAGMA query_only = OFF")
    assert found(library, "red") == {"job"}


def test_one_that_runs_is_taken_up_once_and_again_when_it_ends(store: Store, library: LibraryIndex) -> None:
    store.save(Row("job", "2026-01-01", "job.mp4", "running", "", "{}"))
    assert library.stale() == ["job"]
    library.put("job", EntrySummary("interrupted"), [], b"")  # as it looks when it is read from the store
    assert library.stale() == []
    store.save(Row("job", "2026-01-01", "job.mp4", "done", "", "{}"))
    assert library.stale() == ["job"]
