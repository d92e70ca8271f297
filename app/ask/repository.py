"""Repository of conversations: stored turn by turn, read as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import TypeAdapter

from app.ask.conversation import Conversation, Turn
from app.core import InputError, Language, one_line
from app.i18n import language_of
from app.store import ConversationRow, ConversationStore, Store

_TURN = TypeAdapter(Turn)


class ConversationRepository:
    """Conversations of one store. Safe to use from several threads; every method raises StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = ConversationStore(store)

    def add(self, conversation: Conversation) -> Conversation:
        """Store the current question, which is new, and return the conversation with it.

        It gets the next free number if another program has added questions meanwhile.

        Raises:
            InputError: "job_unknown": the analysis was deleted.
        """
        while not self._store.save(_row(conversation), _documents(conversation.last), are_new=True):
            kept = self.get(conversation.id)
            turn = replace(conversation.last, number=kept.turns[-1].number + 1)
            conversation = replace(conversation, turns=(*kept.turns, turn), current=turn.number)
        return conversation

    def save(self, conversation: Conversation, changed: Turn) -> None:
        """Store a conversation and this turn of it, which was added before.

        Raises:
            InputError: "job_unknown": the analysis was deleted.
        """
        self._store.save(_row(conversation), _documents(changed))

    def get(self, conversation_id: str) -> Conversation:
        """Get a conversation by its id, a unique beginning of it, or "latest".

        Raises:
            InputError: "conversation_unknown" or "conversation_ambiguous".
        """
        row = self._store.get(conversation_id)
        turns = tuple(map(_TURN.validate_json, self._store.turns(row.id)))
        return _of_row(row, turns)

    def find(
        self, words: str = "", *, analysis_ids: Sequence[str] | None = None, limit: int = 50
    ) -> list[Conversation]:
        """List conversations without their turns, the one that changed last first; see `ConversationStore.find`."""
        return [_of_row(row, ()) for row in self._store.find(words, job_ids=analysis_ids, limit=limit)]

    def rename(self, conversation_id: str, name: str) -> None:
        """Give a conversation another name.

        Raises:
            InputError: "name_empty".
        """
        if not (name := one_line(name)):
            raise InputError("name_empty")
        self._store.rename(conversation_id, name)

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation with all its branches."""
        self._store.delete(conversation_id)


def _documents(turn: Turn) -> dict[int, tuple[str, str, str]]:
    return {turn.number: (turn.question, turn.answer, _TURN.dump_json(turn).decode())}


def _row(conversation: Conversation) -> ConversationRow:
    one = conversation
    return ConversationRow(one.id, one.analysis_id, one.created, "", one.name, one.language, one.current)


def _of_row(row: ConversationRow, turns: tuple[Turn, ...]) -> Conversation:
    language: Language = language_of(row.language)
    return Conversation(row.id, row.job_id, row.name, row.created, language, turns, row.current)
