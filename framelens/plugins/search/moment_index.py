"""Index of moments: keyframes of all reports by their layout and by what they show, and passages by their meaning.

It is made in a background thread when an analysis ends, and for older reports when the library is opened or searched.
Each report is indexed as a whole, so work that was killed continues with the next report. Another model replaces the
vectors report by report; until then the old ones are searched by the old model, where that is still here.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from framelens import AppError, Cancelled, ConfigError, EngineError, InputError, Moment, MomentHits
from framelens.plugin import LOCAL_USER, as_user
from framelens.plugin.analyses import JobSnapshot
from framelens.plugin.files import Region, picture_of
from framelens.plugin.storage import (
    LibraryIndex,
    LibraryQuery,
    LibrarySearch,
    MomentQuery,
    MomentReason,
    NearPassage,
    Passage,
    Store,
)
from framelens.plugins.search.encoder import QUALITY, SIDE, SIZE, Encodable, Encoder, Encoders, LocalEncoder
from framelens.plugins.search.layout import KEY, LEAST, SURE, Vector, changed_region, layout_of
from framelens.plugins.search.vectors import Kind, Near, VectorTable

Embed = Callable[[Sequence[str]], list[list[float]]]
IndexedFrame = tuple[tuple[int, float, int], bytes, Region | None]
"""Index, seconds and shot of a keyframe, its JPEG, and the region that is indexed, None for all of it."""
NEEDS_MODEL, REGION_NEEDS_MODEL = "search_needs_model", "search_region_needs_model"
"""Keys of the errors of a search by a picture, and by a part of one, without a model."""
_MOST_PASSAGES = 200
"""Most vectors of passages of an analysis; of more passages an even sample is used."""
_SAID_CHARACTERS = 300
"""Consecutive cues are combined up to this length, since a cue alone says little."""
_MOST_NEAR = 50
"""Analyses that a search by meaning returns."""
_RANKED = 400
"""Frames that are ranked, of which those of a shot are one moment."""
_MOST_FILTERED = 1000
"""Reports with the words of which those are looked for that are asked about."""
_RANK_OFFSET = 60
"""Of reciprocal rank fusion: Cormack, Clarke and Büttcher, 2009."""
_SAME_SECONDS = 2.0
"""Moments of the same video this near are one, also in two reports."""
_TEXT_MARGIN, _LARGEST_TEXT = 0.04, 0.5
"""Margin around the text on a frame that is indexed apart, and the largest share of the frame."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextEmbedder:
    """What embeds passages; `key` identifies the model."""

    key: str
    embed: Embed


@dataclass(frozen=True)
class _Place:
    """A place of a video; `shot` is -1 without a keyframe."""

    job_id: str
    seconds: float
    shot: int
    frame_index: int | None = None
    similarity: float | None = None
    text: str = ""


@dataclass(frozen=True)
class _Hidden:
    """Analyses that are left out: those that the user doesn't see, and those outside of `among`."""

    unseen: Container[str]
    among: frozenset[str] | None

    def __contains__(self, job_id: object) -> bool:
        return job_id in self.unseen or (self.among is not None and job_id not in self.among)


class MomentIndex(LibrarySearch):
    """Index of a library.

    Args:
        store: The store.
        library: Its library.
        frames: Returns the keyframes to index of an analysis, each with its place and a region of its own, or None.
        details: Adds parts of these keyframes that the encoder looks at as well.
        texts: What embeds passages, None for no search by meaning.
        encoders: What encodes pictures, None for no search of what they show.
    """

    def __init__(
        self,
        store: Store,
        library: LibraryIndex,
        *,
        frames: Callable[[str], Iterator[IndexedFrame]] = lambda _: iter(()),
        details: Callable[[Iterable[IndexedFrame]], Iterator[IndexedFrame]] = iter,
        texts: TextEmbedder | None = None,
        encoders: Encoders | None = None,
    ) -> None:
        super().__init__("moments")
        self._library = library
        self._table = VectorTable(store)
        self._frames, self._details = frames, details
        self._texts = texts
        self._encoders = encoders
        self._is_blind = False
        self._closing = threading.Event()
        self._text_vector = lru_cache(64)(lambda text: np.asarray(texts.embed([text])[0] if texts else (), np.float32))

    # ---- making the index

    def catch_up_passages(self) -> None:
        """Embed the passages of all analyses in this thread; see LibrarySearch."""
        if self._texts:
            with as_user(LOCAL_USER):
                for job_id in self._table.missing("text", self._texts.key):
                    self._make_passages(job_id, self._texts)

    def _missing(self) -> Sequence[str]:
        encoder, texts = self._sighted(), self._texts
        keys: dict[Kind, str] = {
            "layout": KEY,
            "text": texts.key if texts else "",
            "picture": encoder.key if encoder else "",
        }
        return list(dict.fromkeys(id for kind, key in keys.items() if key for id in self._table.missing(kind, key)))

    def catch_up(self, cancel: threading.Event | None = None) -> None:
        """Index all analyses in this thread, by their layouts first: no model can fail there; see Backfill."""
        with as_user(LOCAL_USER):
            for job_id in self._table.missing("layout", KEY):
                if cancel and cancel.is_set():
                    raise Cancelled
                frames = [(place, jpeg) for place, jpeg, region in self._frames_of(job_id) if not region]
                layouts = [layout_of(jpeg) for _, jpeg in frames]
                self._table.put(job_id, "layout", KEY, [place for place, _ in frames], layouts)
        super().catch_up(cancel)

    def _make(self, job_id: str) -> None:
        if self._texts and self._table.is_missing(job_id, "text", self._texts.key):
            self._make_passages(job_id, self._texts)
        if (encoder := self._sighted()) and self._table.is_missing(job_id, "picture", encoder.key):
            try:
                self._make_pictures(job_id, encoder)
            except EngineError:
                if encoder.least_text > -1:
                    raise
                _log.warning("the server of embeddings takes no pictures", exc_info=True)
                self._is_blind = True

    def _frames_of(self, job_id: str) -> list[IndexedFrame]:
        """Return the keyframes to index, none of an analysis that was deleted meanwhile."""
        try:
            return list(self._frames(job_id))
        except InputError as error:
            if error.key != "job_unknown":
                raise
            return []

    def _make_passages(self, job_id: str, texts: TextEmbedder) -> None:
        chosen = dict(texts_to_embed(self._library.passages(job_id)))
        vectors = [np.asarray(vector, np.float32) for vector in texts.embed(list(chosen.values()))] if chosen else []
        self._table.put(job_id, "text", texts.key, list(chosen), vectors)

    def _make_pictures(self, job_id: str, encoder: Encoder) -> None:
        frames = list(self._details(self._frames_of(job_id)))
        vectors = encoder.vectors([Encodable(jpeg=jpeg, box=box) for _, jpeg, box in frames], self._closing)
        kept = [(place, vector) for (place, _, _), vector in zip(frames, vectors, strict=True) if vector is not None]
        self._table.put(job_id, "picture", encoder.key, [place for place, _ in kept], [vector for _, vector in kept])

    @property
    def is_sighted(self) -> bool:
        """Return whether a model compares pictures, as far as that is known."""
        return self._sighted() is not None

    def _sighted(self) -> Encoder | None:
        return self._encoders.current() if self._encoders and not self._is_blind else None

    def prepare(self) -> None:
        """Load a model on this machine before it is asked."""
        if isinstance(encoder := self._sighted(), LocalEncoder):
            encoder.prepare()

    def close(self) -> None:
        """Stop after the current picture, and end the encoder."""
        self._closing.set()
        super().close()
        if self._encoders:
            self._encoders.close()

    # ---- searching

    def near(self, words: str) -> list[NearPassage]:
        """List the visible analyses nearest to these words; see LibrarySearch."""
        best: dict[str, NearPassage] = {}
        for hit in self._near_passages(words, 20 * _MOST_NEAR, self._library.hidden()):
            if hit.job_id not in best and (place := self._passage_of(hit)) is not None:
                best[hit.job_id] = NearPassage(hit.job_id, place, hit.score)
            if len(best) == _MOST_NEAR:
                break
        return list(best.values())

    def find(self, query: MomentQuery) -> MomentHits:
        """Find moments; see LibrarySearch."""
        if not (query.words.strip() or query.picture):
            raise ConfigError("find_nothing_asked")
        picture = query.picture and picture_of(
            query.picture_name, query.picture, side=SIDE, quality=QUALITY, region=query.region
        )
        self.begin()
        encoder, error = self._sighted(), self._fault(query)
        if error and query.region and not query.words.strip():
            raise error
        hidden = _Hidden(self._library.hidden(), query.among)
        rankings: dict[MomentReason, list[_Place]] = {}
        try:
            if encoder and query.words.strip():
                rankings["seen"] = self._pictures(encoder, Encodable(query.words.strip()), hidden)
            if encoder and picture:
                rankings["alike"] = self._pictures(encoder, Encodable(jpeg=picture), hidden)
            near = self._near_passages(query.words, query.limit, hidden)
            rankings["meaning"] = [self._passage_place(hit) for hit in near]
        except AppError as failure:
            error = failure
        if picture and not query.region:
            least = SURE if "alike" in rankings else LEAST
            same = self._nearest_frames("layout", KEY, layout_of(picture), hidden, least)
            rankings = {"same": same, **rankings}
        rankings["words"] = self._worded(query)
        moments = self._fused(rankings, query.limit)
        return MomentHits(tuple(moments), encoder.label if encoder else "", self.num_left, error or self.task.error)

    def _fault(self, query: MomentQuery) -> AppError | None:
        """Return why no model compares pictures, where one is needed or named for that."""
        model = self._encoders.model if self._encoders else None
        if self.is_sighted or not (query.picture or (model and not model.hub_id)):
            return None
        try:
            if model:
                model.fetch(lambda progress: None, self._closing)
        except AppError as error:
            if error.key != "search_model_absent":
                return error
        return InputError(REGION_NEEDS_MODEL if query.region else NEEDS_MODEL, size=SIZE)

    def _near_passages(self, words: str, most: int, hidden: Container[str]) -> list[Near]:
        if not self._texts or not words.strip():
            return []
        vector = self._text_vector(words)
        return self._table.nearest("text", self._texts.key, vector, hidden=hidden, least=-1.0, most=most)

    def _pictures(self, current: Encoder, item: Encodable, hidden: Container[str]) -> list[_Place]:
        """Rank frames by their likeness to an item: by the current model, then those that only an old model knows."""
        places: list[_Place] = []
        for key in sorted(self._table.models("picture"), key=lambda key: key != current.key):
            encoder = current if key == current.key else self._encoders.of_key(key) if self._encoders else None
            vector = encoder.vectors([item])[0] if encoder else None
            if encoder is None or vector is None:
                continue
            least = encoder.least_text if item.text else encoder.least_picture
            places += self._nearest_frames("picture", key, vector, hidden, least)
        return places

    def _nearest_frames(
        self, kind: Kind, key: str, vector: Vector, hidden: Container[str], least: float
    ) -> list[_Place]:
        near = self._table.nearest(kind, key, vector, hidden=hidden, least=least, most=_RANKED)
        places = {job_id: self._table.places(job_id, kind) for job_id in {hit.job_id for hit in near}}
        found = []
        for hit in near:
            if hit.index < len(places[hit.job_id]):  # else it was indexed again meanwhile
                frame_index, seconds, shot = places[hit.job_id][hit.index]
                found.append(_Place(hit.job_id, seconds, shot, frame_index, hit.score))
        return found

    def _passage_of(self, near: Near) -> int | None:
        """Return the index of a passage, None if its analysis was indexed again meanwhile."""
        places = self._table.places(near.job_id, "text")
        return int(places[near.index]) if near.index < len(places) else None

    def _passage_place(self, near: Near) -> _Place:
        passage = dict(self._library.passages(near.job_id)).get(self._passage_of(near) or 0, Passage("name", ""))
        return self._placed(near.job_id, passage.seconds, passage.text)

    def _worded(self, query: MomentQuery) -> list[_Place]:
        """Rank the passages with the words; those about a whole video count only where no other has them."""
        places: list[_Place] = []
        if query.words.strip():
            most = query.limit if query.among is None else _MOST_FILTERED
            for entry in self._library.find(LibraryQuery(query.words), order="best", offset=0, limit=most):
                if query.among is not None and entry.id not in query.among:
                    continue
                hits = self._library.hits(entry.id, query.words)
                timed = [hit for hit in hits if hit.seconds is not None] or hits[:1]
                places += [self._placed(entry.id, hit.seconds, hit.text) for hit in timed]
        return places

    def _placed(self, job_id: str, seconds: float | None, text: str) -> _Place:
        """Return a place in an analysis with the keyframe that is shown then, None for the first, if it is indexed."""
        frames = self._table.places(job_id, "layout")
        if not frames:
            return _Place(job_id, seconds or 0.0, -1, text=text)
        before = [frame for frame in frames if seconds is not None and frame[1] <= seconds + 0.001] or frames[:1]
        frame_index, shown_seconds, shot = max(before, key=lambda frame: frame[1])
        return _Place(job_id, shown_seconds if seconds is None else seconds, shot, frame_index, text=text)

    def _fused(self, rankings: dict[MomentReason, list[_Place]], limit: int) -> Iterator[Moment]:
        """Merge rankings by reciprocal rank; the places of a shot are one moment, at the best of them."""
        scores: dict[tuple[str, int, float], float] = defaultdict(float)
        found: dict[tuple[str, int, float], dict[MomentReason, _Place]] = defaultdict(dict)
        for reason, places in rankings.items():
            keys = dict.fromkeys(_key(place) for place in places)
            for rank, key in enumerate(keys, start=1):
                scores[key] += 1 / (_RANK_OFFSET + rank)
            for place in places:
                found[_key(place)].setdefault(reason, place)
        order = sorted(scores, key=lambda key: -scores[key])[: 4 * limit]
        names = {entry.id: entry.name for entry in self._library.entries({key[0] for key in order})}
        contents = self._table.contents(list(names))
        shown: list[tuple[str, float]] = []
        for key in order:
            moment = _moment(found[key], names.get(key[0], ""))
            video = contents.get(moment.job_id, moment.job_id)
            is_shown = any(video == other and abs(moment.time_seconds - at) < _SAME_SECONDS for other, at in shown)
            if key[0] in names and not is_shown and len(shown) < limit:
                shown.append((video, moment.time_seconds))
                yield moment


def _key(place: _Place) -> tuple[str, int, float]:
    return place.job_id, place.shot, 0.0 if place.shot >= 0 else place.seconds


def _moment(places: dict[MomentReason, _Place], name: str) -> Moment:
    """Make a moment of its places by reason: that of its picture, if a picture was compared, with a passage's text."""
    first = next(iter(places.values()))
    text = next((place.text for place in places.values() if place.text), "")
    return Moment(first.job_id, name, first.seconds, first.frame_index, tuple(places), first.similarity, text)


def frames_of(job: JobSnapshot) -> Iterator[IndexedFrame]:
    """Yield the keyframes of a job, each followed by the region of its text if that is a small part of it."""
    regions = {facts.number: _text_region([line.box for line in facts.texts]) for facts in job.progress.facts}
    for frame in job.progress.keyframes:
        place = (frame.frame_index, round(frame.time_seconds, 3), frame.shot)
        yield place, frame.jpeg, None
        if region := regions.get(frame.number):
            yield place, frame.jpeg, region


def with_changes(frames: Iterable[IndexedFrame]) -> Iterator[IndexedFrame]:
    """Yield frames and their regions, and what changed since the frame before in the same shot."""
    shot_before, before = -1, b""
    for frame in frames:
        yield frame
        (_, _, shot), jpeg, region = frame
        if region is None:
            if before and shot == shot_before and (changed := changed_region(before, jpeg)):
                yield frame[0], jpeg, changed
            shot_before, before = shot, jpeg


def _text_region(boxes: Sequence[Region]) -> Region | None:
    if not boxes:
        return None
    left, top, right, bottom = (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )
    left, top = max(0.0, left - _TEXT_MARGIN), max(0.0, top - _TEXT_MARGIN)
    right, bottom = min(1.0, right + _TEXT_MARGIN), min(1.0, bottom + _TEXT_MARGIN)
    return (left, top, right, bottom) if (right - left) * (bottom - top) <= _LARGEST_TEXT else None


def texts_to_embed(passages: Sequence[tuple[int, Passage]]) -> Iterator[tuple[int, str]]:
    """Yield the texts to embed, each with the index of its passage; consecutive cues are combined to longer texts."""
    texts: list[tuple[int, str]] = []
    is_said = False
    for index, passage in passages:
        if passage.kind == "name":
            continue
        if passage.kind == "said" and is_said and len(texts[-1][1]) < _SAID_CHARACTERS:
            texts[-1] = (texts[-1][0], f"{texts[-1][1]} {passage.text}")
        else:
            texts.append((index, passage.text))
        is_said = passage.kind == "said"
    step = max(1, -(-len(texts) // _MOST_PASSAGES))
    yield from texts[::step]
