"""The search by meaning: near texts are found beside texts with the words; without an answer words alone count."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from framelens.core.errors import EngineError
from framelens.core.roles import User, as_user
from framelens.engine.local.local_engine import LocalEngine
from framelens.engine.local.vllm import vllm_launcher
from framelens.plugins.search.embeddings import EmbeddingModel
from framelens.plugins.search.moment_index import Embed, MomentIndex, TextEmbedder, texts_to_embed
from framelens.store.database import Row, Store
from framelens.store.library_index import EntrySummary, LibraryIndex, LibraryQuery, Passage
from framelens.store.trash import Trash
from tests.conftest import ENGINE_ARGUMENTS, ready

ANN, BOB = (User(name, name, "analyst") for name in ("ann", "bob"))
VEHICLES, PEOPLE = ("lorry", "car", "vehicle", "红车"), ("man", "woman", "somebody", "人")


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Vehicles in a direction, people in another."""
    return [
        [float(sum(word in text for word in VEHICLES)), float(sum(word in text for word in PEOPLE)), 0.1]
        for text in texts
    ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "framelens.sqlite")
    yield store
    store.close()


@pytest.fixture
def library(store: Store) -> LibraryIndex:
    library = LibraryIndex(store)
    for job_id, texts in (("cars", ("a lorry", "a red car")), ("people", ("a man", "a woman")), ("both", ("vehicle",))):
        store.save(Row(job_id, "2026", job_id, "done", "", "{}"))
        passages = [Passage("finding", text, float(place)) for place, text in enumerate(texts)]
        library.put(job_id, EntrySummary("done", model="m"), [Passage("name", job_id), *passages], b"")
    return library


def index_of(library: LibraryIndex, embed: Embed, model: str) -> MomentIndex:
    return MomentIndex(library._store, library, texts=TextEmbedder(model, embed))


def ids(library: LibraryIndex, meanings: MomentIndex, words: str, **more: Any) -> list[str]:
    near = [one.job_id for one in meanings.near(words) if one.score > 0.5]
    found = library.find(LibraryQuery(words, **more), order="best", offset=0, limit=9, near=near)
    assert library.count(LibraryQuery(words, **more), near=near) == len(found)
    return [entry.id for entry in found]


def test_semantic_search_ranks_exact_words_first(library: LibraryIndex) -> None:
    meanings = index_of(library, embed, "m")
    assert meanings.near("vehicle") == []
    meanings.catch_up()
    assert ids(library, meanings, "vehicle") == ["both", "cars"]
    assert ids(library, meanings, "somebody") == ["people"]
    assert ids(library, meanings, "vehicle", model="another") == []
    assert {one.job_id: one.place for one in meanings.near("lorry")}["cars"] == 1


def test_vectors_are_made_once_and_follow_what_changes(library: LibraryIndex, store: Store) -> None:
    asked: list[str] = []

    def counting(texts: Sequence[str]) -> list[list[float]]:
        asked.extend(texts)
        return embed(texts)

    meanings = index_of(library, counting, "m")
    meanings.catch_up()
    meanings.catch_up()
    assert sorted(asked) == ["a lorry", "a man", "a red car", "a woman", "vehicle"]
    library.put("people", EntrySummary("done"), [Passage("finding", "a lorry again")], b"")
    library.delete("cars")
    meanings.catch_up()
    assert asked[5:] == ["a lorry again"]
    assert {one.job_id for one in meanings.near("lorry")} == {"people", "both"}
    assert index_of(library, embed, "another model").near("lorry") == []


def test_entries_of_others_and_in_the_trash_are_no_hits(library: LibraryIndex, store: Store) -> None:
    store.save(Row("anns", "2026", "anns", "done", "", "{}", user_id=ANN.id))
    library.put("anns", EntrySummary("done"), [Passage("finding", "a lorry")], b"")
    meanings = index_of(library, embed, "m")
    meanings.catch_up()
    with as_user(BOB):
        assert meanings.near("lorry") == []
    with as_user(ANN):
        assert [passage.job_id for passage in meanings.near("lorry")] == ["anns"]
        Trash(store).put(["anns"])
        assert meanings.near("lorry") == []


def test_index_continues_after_it_was_ended(library: LibraryIndex) -> None:
    asked: list[str] = []

    def ending(texts: Sequence[str]) -> list[list[float]]:
        if asked:
            raise KeyboardInterrupt  # the process ends between two analyses
        asked.extend(texts)
        return embed(texts)

    with pytest.raises(KeyboardInterrupt):
        index_of(library, ending, "m").catch_up()
    asked_again: list[str] = []

    def counting(texts: Sequence[str]) -> list[list[float]]:
        asked_again.extend(texts)
        return embed(texts)

    continued = index_of(library, counting, "m")
    continued.begin()
    continued.task.wait()
    assert not {*asked} & {*asked_again}  # the first is kept
    assert len(continued.near("lorry")) == 3


def test_what_is_said_is_put_together_and_names_are_left_out() -> None:
    said = [(place, Passage("said", "word " * 20, float(place))) for place in range(10)]
    texts = list(texts_to_embed([(100, Passage("name", "clip.mp4")), (101, Passage("finding", "a car")), *said]))
    assert texts[0] == (101, "a car")
    assert [place for place, _ in texts[1:]] == [0, 3, 6, 9]
    assert len(list(texts_to_embed([(place, Passage("finding", "x")) for place in range(5000)]))) <= 200


def test_a_thread_makes_them_and_reports_what_stopped_it(library: LibraryIndex) -> None:
    def refusing(texts: Sequence[str]) -> list[list[float]]:
        raise EngineError("engine_refused", status=500, reason="out of order")

    meanings = index_of(library, refusing, "m")
    meanings.begin()
    meanings.task.wait()
    meanings.close()
    assert meanings.task.error and meanings.task.error.key == "engine_refused"


@pytest.mark.thorough
@pytest.mark.engine
def test_vllm_makes_the_vectors(tiny_text: Path, tmp_path: Path, library: LibraryIndex) -> None:
    """The model is too small to know what words mean; that a text is nearest to itself it knows."""
    kept = {name: ENGINE_ARGUMENTS[name] for name in ("enforce_eager", "dtype", "max_num_seqs")}
    pooling = {"runner": "pooling", "convert": "embed", "stream_interval": 1}  # vLLM 0.32 fails with a longer interval
    launcher = vllm_launcher(str(tiny_text), {**kept, **pooling, "max_model_len": 512})
    engine = LocalEngine(launcher, log_dir=tmp_path)
    try:
        endpoint = ready(engine)
        model = EmbeddingModel(endpoint.base_url, endpoint.model, endpoint.api_key)
        meanings = index_of(library, model, "tiny")
        meanings.catch_up()
        assert meanings.near("a red car")[0].job_id == "cars"
        assert meanings.near("a red car")[0].score > 0.99
        assert model(["很长的一段话 " * 400])
    finally:
        engine.stop()
