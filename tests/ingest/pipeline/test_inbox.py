"""The bounded queue: what waits, what holds back, what is refused."""

import threading
from concurrent.futures import ThreadPoolExecutor

from ingest.inbox import Inbox
from tests.support.desk import eventually


def take(inbox: Inbox[int], most: int = 100, most_bytes: int = 1000) -> list[int]:
    return inbox.take(max_items=most, max_bytes=most_bytes, linger=0)


def test_items_come_out_in_order_and_at_most_as_many_as_asked_for() -> None:
    inbox: Inbox[int] = Inbox(max_items=10, max_bytes=1000)
    for number in range(5):
        inbox.put(number, 100)

    assert take(inbox, most=2) == [0, 1]
    assert take(inbox, most_bytes=250) == [2, 3]
    assert take(inbox) == [4]


def test_an_item_larger_than_the_bound_still_comes_out() -> None:
    inbox: Inbox[int] = Inbox(max_items=10, max_bytes=10)
    inbox.put(1, 5000)

    assert take(inbox, most_bytes=10) == [1]


def test_taking_waits_for_the_first_item_and_lingers_for_company() -> None:
    inbox: Inbox[int] = Inbox(max_items=10, max_bytes=1000)
    with ThreadPoolExecutor(1) as pool:
        batch = pool.submit(inbox.take, max_items=3, max_bytes=1000, linger=60)
        for number in range(3):
            inbox.put(number, 1)

        assert batch.result(20) == [0, 1, 2]


def test_putting_waits_for_room() -> None:
    inbox: Inbox[int] = Inbox(max_items=1, max_bytes=1000)
    inbox.put(1, 1)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(inbox.put, 2, 1)
        assert not second.done()

        assert take(inbox) == [1]
        assert second.result(20)
    assert take(inbox) == [2]


def test_a_datagram_is_refused_when_full_and_a_stream_is_told() -> None:
    inbox: Inbox[int] = Inbox(max_items=2, max_bytes=1000)

    assert inbox.offer(1, 1)
    assert inbox.push(2, 1)
    assert not inbox.offer(3, 1)
    assert inbox.push(4, 1)
    assert take(inbox) == [1, 2, 4]


def test_who_was_held_back_is_told_once_when_half_of_it_is_gone() -> None:
    told: list[int] = []
    inbox: Inbox[int] = Inbox(max_items=4, max_bytes=1000, on_room=lambda: told.append(len(inbox)))
    for number in range(4):
        inbox.push(number, 1)

    take(inbox, most=1)
    assert told == []
    take(inbox, most=1)
    assert told == [2]
    take(inbox)
    assert told == [2]


def test_closing_ends_waiting_and_what_is_inside_still_comes_out() -> None:
    inbox: Inbox[int] = Inbox(max_items=1, max_bytes=1000)
    inbox.put(1, 1)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(inbox.put(2, 1)))
    waiting.start()

    inbox.close()
    waiting.join(20)

    assert answers == [False]
    assert take(inbox) == [1]
    assert take(inbox) == []
    assert not inbox.put(3, 1)


def test_taking_ends_when_the_queue_is_closed_empty() -> None:
    inbox: Inbox[int] = Inbox(max_items=1, max_bytes=1)
    with ThreadPoolExecutor(1) as pool:
        batch = pool.submit(inbox.take, max_items=3, max_bytes=1000, linger=60)
        inbox.close()

        assert batch.result(20) == []
    eventually(lambda: len(inbox) == 0)
