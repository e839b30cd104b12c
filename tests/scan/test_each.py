from __future__ import annotations

import threading
import time

from holdfast.scan.pace import each


def test_results_come_in_the_order_of_the_items():
    assert [n * 2 for n in range(100)] == each(lambda n: n * 2, range(100))
    assert [] == each(str, [])


def test_what_waits_is_done_by_threads_and_in_order():
    seen = set()

    def wait(n):
        seen.add(threading.get_ident())
        time.sleep(0.002)
        return n

    assert list(range(200)) == each(wait, range(200))
    assert len(seen) > 2


def test_what_computes_is_done_by_one_thread():
    seen = set()

    def compute(n):
        seen.add(threading.get_ident())
        return sum(range(n * 50))

    each(compute, range(200))
    assert {threading.get_ident()} == seen


def test_a_few_that_wait_make_no_threads():
    seen = set()

    def preempted(n):
        seen.add(threading.get_ident())
        if n % 8 == 0:
            time.sleep(0.02)
        return sum(range(n * 50))

    each(preempted, range(200))
    assert {threading.get_ident()} == seen
