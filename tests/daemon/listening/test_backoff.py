from daemon.listening.backoff import Backoff


def test_pauses_double_up_to_the_last_one():
    backoff = Backoff(first_s=1.0, last_s=60.0, chance=lambda: 0.0)
    assert [backoff.pause_s(failures) for failures in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff.pause_s(10_000) == 60


def test_chance_shortens_a_pause_by_up_to_half():
    assert Backoff(first_s=1.0, last_s=60.0, chance=lambda: 0.5).pause_s(2) == 3
    pauses = {Backoff(first_s=1.0).pause_s(0) for _ in range(100)}
    assert len(pauses) > 1
    assert all(0.5 < pause <= 1.0 for pause in pauses)
