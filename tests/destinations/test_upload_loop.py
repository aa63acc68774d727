"""The event loop of an upload must not be closed, nor the process end, while a thread of the store still tells it
something: CPython before 3.14 would end that thread in the middle of Rust code, which aborts the process.
"""

from __future__ import annotations

import threading

from polyglot_export.destinations.objects.upload import _Loop


class SlowLoop(_Loop):
    """A thread that tells it something stays inside of the call until it is let go."""

    def __init__(self) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()
        super().__init__()

    def _write_to_self(self) -> None:
        self.entered.set()
        assert self.let_go.wait(10)
        super()._write_to_self()  # type: ignore[misc]  # asyncio's own, which its stubs do not name


def test_a_loop_waits_for_the_thread_that_tells_it_something() -> None:
    loop = SlowLoop()
    teller = threading.Thread(target=loop.call_soon_threadsafe, args=(lambda: None,))
    waiter = threading.Thread(target=loop.wait_for_calls)
    teller.start()
    assert loop.entered.wait(10)
    waiter.start()
    waiter.join(0.2)
    assert waiter.is_alive()
    loop.let_go.set()
    waiter.join(10)
    assert not waiter.is_alive()
    teller.join(10)
    loop.close()


def test_a_loop_that_nobody_tells_anything_waits_for_nothing() -> None:
    loop = _Loop()
    loop.call_soon_threadsafe(lambda: None)
    loop.wait_for_calls()
    loop.close()
