from msgspec.structs import replace

from core.bars import Bar
from daemon.listening.agreement import Agreement

ONE, OTHER = 1, 2
BOTH = (ONE, OTHER)


def a_bar(close: float = 1.0, opened_at_ms: int = 0) -> Bar:
    return Bar("BTCUSDT", opened_at_ms, 1.0, 9.0, 0.5, close, 10.0)


def test_a_bar_that_two_tell_alike_counts_once():
    agreement = Agreement(1)
    assert agreement.takes(ONE, a_bar(), BOTH)
    assert not agreement.takes(OTHER, a_bar(), BOTH)
    assert not agreement.takes(ONE, a_bar(), BOTH)
    assert agreement.disagreements == 0


def test_where_two_tell_a_bar_differently_the_first_counts_however_often_the_other_says_so():
    agreement = Agreement(1)
    assert agreement.takes(ONE, a_bar(1.0), BOTH)
    assert not agreement.takes(OTHER, a_bar(2.0), BOTH)
    assert not agreement.takes(OTHER, a_bar(2.0), BOTH)
    assert agreement.disagreements == 1


def test_a_second_word_of_the_same_socket_is_a_revision_and_the_others_repeat_of_it_is_none():
    agreement = Agreement(1)
    for close in (1.0, 2.0):
        assert agreement.takes(ONE, a_bar(close), BOTH)
        assert not agreement.takes(OTHER, a_bar(close), BOTH)
    assert agreement.disagreements == 0


def test_a_socket_that_is_gone_has_no_say():
    agreement = Agreement(1)
    assert agreement.takes(ONE, a_bar(1.0), BOTH)
    assert agreement.takes(OTHER, a_bar(2.0), (OTHER,))
    assert agreement.disagreements == 0


def test_what_a_socket_alone_repeats_is_passed_on():
    agreement = Agreement(1)
    assert all(agreement.takes(ONE, a_bar(), (ONE,)) for _ in range(3))


def test_only_the_last_bars_of_a_symbol_are_remembered():
    agreement = Agreement(1)
    for number in range(100):
        assert agreement.takes(ONE, a_bar(opened_at_ms=number), BOTH)
    assert len(agreement._words["BTCUSDT"]) == 4


def test_what_a_socket_told_alone_is_known_when_another_comes():
    agreement = Agreement(1)
    agreement.hear_alone(ONE, [a_bar(opened_at_ms=0), a_bar(opened_at_ms=1), a_bar(2.0, 2)])
    assert not agreement.takes(OTHER, a_bar(opened_at_ms=1), BOTH)
    assert not agreement.takes(OTHER, a_bar(3.0, 2), BOTH)
    assert agreement.disagreements == 1
    agreement.hear_alone(OTHER, [a_bar(opened_at_ms=3)])
    assert not agreement.takes(ONE, a_bar(opened_at_ms=3), BOTH)
    assert agreement.takes(ONE, a_bar(opened_at_ms=4), BOTH)


def test_of_what_a_socket_told_alone_the_last_is_remembered():
    agreement = Agreement(1)
    for number in range(100):
        agreement.hear_alone(ONE, [replace(a_bar(), closed=False)])
        agreement.hear_alone(ONE, [a_bar(opened_at_ms=number)])
    assert len(agreement._alone) == 4
    assert agreement.takes(OTHER, a_bar(opened_at_ms=95), BOTH)
    assert [agreement.takes(OTHER, a_bar(opened_at_ms=number), BOTH) for number in range(97, 100)] == [False] * 3
