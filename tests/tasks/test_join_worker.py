"""How many hosts join at the same time."""

from __future__ import annotations

import threading
import time

from tasks.join_worker import JOINS_AT_ONCE, turn_to_join


def test_hundreds_of_joins_are_spread() -> None:
    """300 hosts at once: no more than the limit join together, all of them do, and a join that fails frees its turn."""
    joining, most, joined = set[int](), 0, list[int]()
    guard = threading.Lock()

    def join(number: int) -> None:
        nonlocal most
        try:
            with turn_to_join():
                with guard:
                    joining.add(number)
                    most = max(most, len(joining))
                time.sleep(0.01)
                with guard:
                    joining.remove(number)
                    joined.append(number)
                if number % 3 == 0:
                    raise RuntimeError("the join fails")
        except RuntimeError:
            pass

    threads = [threading.Thread(target=join, args=(number,)) for number in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == JOINS_AT_ONCE
    assert sorted(joined) == list(range(300))
