"""Questions that wait for an engine: each in turn, told its place, and not lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from framelens.core.errors import Cancelled
from framelens.core.roles import User, as_user
from framelens.questions.answer_queue import MOST_ANSWERED_OF_USER, AnswerQueue
from framelens.questions.conversation import Queued


def places(queue: AnswerQueue, *conversations: str) -> list[int]:
    """The first place that a question of each conversation is given, while all of them wait."""
    with ExitStack() as stack:
        waiting = [
            stack.enter_context(queue.joined(conversation)).wait(1, threading.Event()) for conversation in conversations
        ]
        return [next(job).place for job in waiting]


def test_conversations_and_places_take_turns() -> None:
    # Places are in the order of arrival.
    queue, never = AnswerQueue(), threading.Event()
    with queue.joined("first") as first:
        assert list(first.wait(1, never)) == [Queued(0)]
        assert places(queue, "a", "b", "c") == [1, 2, 3]
    assert list_of_next(queue) == [Queued(0)]
    # Conversation that asks much lets others pass.
    queue = AnswerQueue()
    with queue.joined("busy") as first:
        list(first.wait(1, threading.Event()))
        assert places(queue, "busy", "busy", "other", "third", "other") == [3, 5, 1, 2, 4]
    # Without accounts all places are ones own.
    queue = AnswerQueue()
    with ExitStack() as stack:
        waiting = [stack.enter_context(queue.joined(str(number))).wait(8, threading.Event()) for number in range(8)]
        assert [next(job).place for job in waiting] == [0] * 8


def list_of_next(queue: AnswerQueue) -> list[Queued]:
    with queue.joined("next") as place:
        return list(place.wait(1, threading.Event()))


def test_user_who_asks_much_lets_others_pass() -> None:
    queue = AnswerQueue()
    users = {name: User(name, name, "analyst") for name in ("ann", "bob")}
    with ExitStack() as stack:
        waiting = []
        for name, conversation in [("ann", "a1"), ("ann", "a2"), ("ann", "a3"), ("bob", "b1"), ("bob", "b1")]:
            with as_user(users[name]):
                waiting.append(stack.enter_context(queue.joined(conversation)))
        assert [next(job.wait(1, threading.Event())).place for job in waiting[1:]] == [3, 5, 2, 4]


@pytest.mark.slow
def test_user_who_asks_much_leaves_places_at_the_engine() -> None:
    queue, never = AnswerQueue(), threading.Event()
    ann, bob = (User(name, name, "analyst") for name in ("ann", "bob"))
    with ExitStack() as stack:
        with as_user(ann):
            places = [stack.enter_context(queue.joined(f"a{number}")) for number in range(16)]
        firsts = [next(place.wait(100, never)).place for place in places]
        assert firsts == [0] * MOST_ANSWERED_OF_USER + list(range(1, 17 - MOST_ANSWERED_OF_USER))
        with as_user(bob), queue.joined("b") as place:
            assert list(place.wait(100, never)) == [Queued(0)]


def test_as_many_run_as_the_engine_takes() -> None:
    queue, never = AnswerQueue(), threading.Event()
    with ExitStack() as stack:
        for number in range(3):
            assert list(stack.enter_context(queue.joined(str(number))).wait(3, never)) == [Queued(0)]
        assert places(queue, "fourth") == [1]


def test_question_that_is_cancelled_or_left_frees_its_place() -> None:
    queue, cancel = AnswerQueue(), threading.Event()
    with queue.joined("first") as first:
        list(first.wait(1, cancel))
        with pytest.raises(Cancelled), queue.joined("second") as second:
            for event in second.wait(1, cancel):
                assert event == Queued(1)
                cancel.set()
        assert places(queue, "third") == [1]
    assert list_of_next(queue) == [Queued(0)]


def test_many_at_once_all_get_their_turn_once() -> None:
    queue, running, most = AnswerQueue(), set[int](), list[int]()
    lock = threading.Lock()

    def ask(number: int) -> list[int]:
        with queue.joined(str(number)) as place:
            told = [event.place for event in place.wait(4, threading.Event())]
            with lock:
                running.add(number)
                most.append(len(running))
            threading.Event().wait(0.01)
            with lock:
                running.remove(number)
            return told

    with ThreadPoolExecutor(40) as pool:
        told = list(pool.map(ask, range(40)))
    assert max(most) <= 4 and all(one[-1] == 0 for one in told)
    assert all(one == sorted(one, reverse=True) for one in told)  # nobody falls back
