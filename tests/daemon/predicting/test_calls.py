import threading

from daemon.predicting.calls import Calls


class Clock:
    """A call takes as long as it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def a_call(clock: Clock, takes_s: float):
    def call() -> bool:
        clock.now_s += takes_s
        return threading.current_thread() is threading.main_thread()

    return call


async def test_the_first_call_is_made_in_a_thread_since_nobody_knows_how_long_it_takes():
    clock = Clock()
    assert not await Calls(1, clock).make(1, a_call(clock, 0.0))


async def test_what_is_soon_over_is_then_called_on_the_loop():
    clock = Clock()
    calls = Calls(1, clock)
    assert not await calls.make(100, a_call(clock, 0.0001))
    assert await calls.make(1_000, a_call(clock, 0.001))


async def test_what_takes_longer_stays_in_a_thread_also_where_there_are_more_rows_of_it():
    clock = Clock()
    calls = Calls(1, clock)
    await calls.make(10, a_call(clock, 0.001))
    assert await calls.make(10, a_call(clock, 0.001))
    assert not await calls.make(1_000, a_call(clock, 0.1))


async def test_a_call_that_others_held_up_does_not_count():
    clock = Clock()
    calls = Calls(1, clock)
    await calls.make(10, a_call(clock, 0.001))
    await calls.make(10, a_call(clock, 60.0))
    assert await calls.make(10, a_call(clock, 0.001))
