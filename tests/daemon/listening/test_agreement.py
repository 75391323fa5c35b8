from core.bars import Bar
from daemon.listening.agreement import Agreement

ONE, OTHER = 1, 2
BOTH = (ONE, OTHER)


def a_bar(close: float = 1.0, opened_at_ms: int = 0) -> Bar:
    return Bar("BTCUSDT", opened_at_ms, 1.0, 9.0, 0.5, close, 10.0)


def test_a_bar_that_two_tell_alike_counts_once():
    agreement = Agreement()
    assert agreement.takes(ONE, a_bar(), BOTH)
    assert not agreement.takes(OTHER, a_bar(), BOTH)
    assert not agreement.takes(ONE, a_bar(), BOTH)
    assert agreement.disagreements == 0


def test_where_two_tell_a_bar_differently_the_first_counts_however_often_the_other_says_so():
    agreement = Agreement()
    assert agreement.takes(ONE, a_bar(1.0), BOTH)
    assert not agreement.takes(OTHER, a_bar(2.0), BOTH)
    assert not agreement.takes(OTHER, a_bar(2.0), BOTH)
    assert agreement.disagreements == 1


def test_a_second_word_of_the_same_socket_is_a_revision_and_the_others_repeat_of_it_is_none():
    agreement = Agreement()
    for close in (1.0, 2.0):
        assert agreement.takes(ONE, a_bar(close), BOTH)
        assert not agreement.takes(OTHER, a_bar(close), BOTH)
    assert agreement.disagreements == 0


def test_a_socket_that_is_gone_has_no_say():
    agreement = Agreement()
    assert agreement.takes(ONE, a_bar(1.0), BOTH)
    assert agreement.takes(OTHER, a_bar(2.0), (OTHER,))
    assert agreement.disagreements == 0


def test_what_a_socket_alone_repeats_is_passed_on():
    agreement = Agreement()
    assert all(agreement.takes(ONE, a_bar(), (ONE,)) for _ in range(3))


def test_only_the_last_bars_of_a_symbol_are_remembered():
    agreement = Agreement()
    for number in range(100):
        assert agreement.takes(ONE, a_bar(opened_at_ms=number), BOTH)
    assert len(agreement._words["BTCUSDT"]) == 4
