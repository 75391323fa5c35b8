from core.bars import Bar
from daemon.listening.guesses import Guesses


def a_bar(opened_at_ms: int, close: float = 1.0) -> Bar:
    return Bar("BTC", opened_at_ms, 1.0, 9.0, 0.5, close, 5.0)


def test_the_same_numbers_confirm_a_guess_once_and_others_do_not():
    guesses = Guesses(most=8)
    guesses.note([a_bar(0), a_bar(1)])
    assert guesses.knows("BTC", 0)
    assert guesses.confirmed_by(a_bar(0))
    assert not guesses.confirmed_by(a_bar(0))
    assert not guesses.confirmed_by(a_bar(1, close=2.0))
    assert not guesses.knows("BTC", 1)
    assert not guesses.adds(a_bar(1))
    assert guesses.adds(a_bar(2))
    assert not guesses.confirmed_by(Bar("ETH", 1, 1.0, 9.0, 0.5, 1.0, 5.0))


def test_a_guess_that_history_has_overtaken_is_not_remembered():
    guesses = Guesses(most=8)
    assert not guesses.confirmed_by(a_bar(1, close=2.0))
    guesses.note([a_bar(1)])
    assert not guesses.knows("BTC", 1)
    assert not guesses.confirmed_by(a_bar(1))


def test_the_oldest_guesses_are_forgotten():
    guesses = Guesses(most=2)
    guesses.note([a_bar(opened_at_ms) for opened_at_ms in (5, 7, 6)])
    assert [guesses.knows("BTC", opened_at_ms) for opened_at_ms in (5, 6, 7)] == [False, True, True]
