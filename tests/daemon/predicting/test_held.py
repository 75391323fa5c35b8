from builders import a_bar, an_arrival

from daemon.predicting.held import Held


def test_bars_come_back_oldest_first_and_once():
    held = Held(wait_s=30)
    held.hold([an_arrival(a_bar(9)), an_arrival(a_bar(7)), an_arrival(a_bar(8))], now_s=0)
    assert len(held) == 3
    assert held.first_ms("BTCUSDT") == a_bar(7).opened_at_ms
    assert [one.bar for one in held.release(["BTCUSDT"])] == [a_bar(7), a_bar(8), a_bar(9)]
    assert held.release(["BTCUSDT"]) == []
    assert held.first_ms("BTCUSDT") is None


def test_a_symbol_is_overdue_when_its_first_bar_has_waited_long_enough():
    held = Held(wait_s=30)
    held.hold([an_arrival(a_bar(7))], now_s=100)
    held.hold([an_arrival(a_bar(8)), an_arrival(a_bar(3, "ETHUSDT"))], now_s=120)
    assert held.next_due_s(125) == 5
    assert held.overdue(129) == frozenset()
    assert held.overdue(130) == {"BTCUSDT"}
    assert held.overdue(150) == {"BTCUSDT", "ETHUSDT"}


def test_nothing_held_is_never_due():
    assert Held(wait_s=30).next_due_s(0) is None


def test_while_nothing_could_come_no_wait_goes_by():
    held = Held(wait_s=30)
    held.hold([an_arrival(a_bar(7))], now_s=100)
    held.postpone(60)
    assert held.overdue(189) == frozenset()
    assert held.overdue(190) == {"BTCUSDT"}
