"""Repository of conversations: stored turn by turn with their pictures, read as values."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from framelens.core.codec import from_json, to_json
from framelens.core.domain import Language
from framelens.core.errors import InputError
from framelens.core.files import single_line
from framelens.core.images import smaller
from framelens.core.roles import requires
from framelens.i18n import language_of
from framelens.questions.conversation import Conversation, FrameRef, Turn
from framelens.questions.images import picture_of
from framelens.store.conversations import ConversationRow, ConversationStore
from framelens.store.database import Store, reading_record
from framelens.store.trash import Trash, TrashEntry

_SIDE, _QUALITY = 1568, 90
"""Longer side of stored pictures in pixels, and their JPEG quality. Models see no more of a picture: 1568 is the longer
side that Claude scales to, Qwen2.5-VL gets at most 896."""


class ConversationRepository:
    """Conversations of a store. Safe to use from several threads; every method raises StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = ConversationStore(store)
        self._trash = Trash(store)

    @requires("analyst")
    def add(self, conversation: Conversation) -> Conversation:
        """Store the current question, which is new, and return the conversation with it.

        It gets the next free number if another program has added questions meanwhile. A question that was stored
        before, as this very turn, is left unchanged.

        Raises:
            InputError: "job_unknown": the analysis was deleted.
        """
        while not self._save(conversation, conversation.last, is_new=True):
            stored = self.get(conversation.id)
            if conversation.last in stored.turns:
                return conversation
            images = stored.numbered(conversation.last.images)
            turn = replace(conversation.last, number=stored.turns[-1].number + 1, images=images)
            is_everywhere = conversation.is_everywhere or stored.is_everywhere
            turns = (*stored.turns, turn)
            conversation = replace(conversation, turns=turns, current=turn.number, is_everywhere=is_everywhere)
        return conversation

    def save(self, conversation: Conversation, changed: Turn) -> None:
        """Store a conversation and this turn of it, which was added before.

        Raises:
            InputError: "job_unknown" or "conversation_unknown": it was deleted, alone or with what it is about.
        """
        self._save(conversation, changed)

    def _save(self, conversation: Conversation, turn: Turn, *, is_new: bool = False) -> bool:
        documents = {turn.number: (turn.question, turn.answer, to_json(turn))}
        pictures = {frame.picture for frame in turn.added if frame.picture}
        return self._store.save(_row(conversation), documents, pictures=pictures, are_new=is_new)

    @requires("analyst")
    def keep_images(self, images: Iterable[tuple[str, bytes]]) -> tuple[FrameRef, ...]:
        """Check and store images of the user, given by name and content, for `Conversation.asked`.

        Raises:
            InputError: "image_damaged", "image_too_large" or "image_unknown".
        """
        encoded = [(single_line(name), picture_of(name, data, side=_SIDE, quality=_QUALITY)) for name, data in images]
        pictures = self.keep_pictures(jpeg for _, jpeg in encoded)
        return tuple(FrameRef(0, 0.0, "", picture, name) for (name, _), picture in zip(encoded, pictures, strict=True))

    def keep_pictures(self, jpegs: Iterable[bytes]) -> tuple[str, ...]:
        """Store pictures of frames, for `FrameRef.picture`, and return their SHA-256."""
        small = [smaller(jpeg, _SIDE, quality=_QUALITY) for jpeg in jpegs]
        names = tuple(hashlib.sha256(jpeg).hexdigest() for jpeg in small)
        if names:
            self._store.keep_pictures(dict(zip(names, small, strict=True)))
        return names

    def pictures(self, frames: Iterable[FrameRef]) -> dict[str, bytes]:
        """Get the stored pictures of these frames by SHA-256; keyframes have theirs in the analysis."""
        return self._store.pictures({frame.picture for frame in frames if frame.picture})

    def get(self, conversation_id: str) -> Conversation:
        """Get a conversation by its id, a unique beginning of it, or "latest".

        Raises:
            InputError: "conversation_unknown" or "conversation_ambiguous".
        """
        row = self._store.get(conversation_id)
        with reading_record(row.id):
            turns = tuple(from_json(document, Turn) for document in self._store.turns(row.id))
        return _of_row(row, turns)

    def find_exact(self, conversation_id: str) -> Conversation | None:
        """Get the conversation with exactly this id, or None."""
        try:
            conversation = self.get(conversation_id)
        except InputError:
            return None
        return conversation if conversation.id == conversation_id else None

    def find(
        self, words: str = "", *, analysis_ids: Sequence[str] | None = None, limit: int = 50
    ) -> list[Conversation]:
        """List conversations without their turns, the last changed first; see `ConversationStore.find`."""
        return [_of_row(row, ()) for row in self._store.find(words, job_ids=analysis_ids, limit=limit)]

    @requires("analyst")
    def rename(self, conversation_id: str, name: str) -> None:
        """Give a conversation another name.

        Raises:
            InputError: "name_empty".
        """
        if not (name := single_line(name)):
            raise InputError("name_empty")
        self._store.rename(conversation_id, name)

    @requires("analyst")
    def discard(self, conversation_id: str) -> list[TrashEntry]:
        """Move a conversation with all its branches to the trash, and return it if it was there."""
        return self._trash.put([conversation_id], "conversation")


def _row(conversation: Conversation) -> ConversationRow:
    return ConversationRow(
        conversation.id,
        conversation.created,
        "",
        conversation.name,
        conversation.language,
        conversation.current,
        conversation.about,
        conversation.is_everywhere,
    )


def _of_row(row: ConversationRow, turns: tuple[Turn, ...]) -> Conversation:
    language: Language = language_of(row.language)
    return Conversation(row.id, row.about, row.name, row.created, language, turns, row.current, bool(row.everywhere))
