"""What the daemon knows of itself: told by the predictor and the listeners, asked by probes, page and metrics."""

from collections.abc import Callable, Mapping, Sequence

from core.errors import StoreError
from core.prediction import Message, decode
from core.windows import Fate
from daemon.predicting.batch import Batch
from daemon.predicting.spoken import Spoken
from daemon.stores.recovery import Loss
from daemon.telling.health import Condition
from daemon.telling.metrics import Metrics


class Status:
    """Hears of the work, keeps the newest message of each symbol, and says whether the daemon is ready."""

    def __init__(self, metrics: Metrics, about: Mapping[str, str], symbols: int) -> None:
        self._metrics = metrics
        self._about = about
        self._symbols = symbols
        self._feed_up: Callable[[], bool] = lambda: False
        self._ready_symbols = 0
        self._store_error = "not opened yet"
        self._leader = ""
        # In the store's own words, which are kept anyway: a message is some thirty objects.
        self._latest: dict[str, tuple[int, str, bytes]] = {}
        self.published = 0

    def feed_is(self, up: Callable[[], bool]) -> None:
        """From now on `up` answers whether every socket is open and its history joined."""
        self._feed_up = up

    def admitted(self, fates: Mapping[Fate, int], batch: Batch, waiting: int, held: int) -> None:
        """Bars of these fates were taken in; so many wait in the inbox, so many for a missing one."""
        self._metrics.bars(fates)
        self._metrics.waiting(waiting, held)
        live = [one.arrival for one in batch.stored if one.arrival.origin.off_a_socket]
        interval_s = self._metrics.interval_s
        self._metrics.lateness([one.received_at_ms / 1_000 - one.bar.opened_at_ms / 1_000 - interval_s for one in live])
        if batch.predicted:
            self._metrics.batch(len(batch.predicted))
            self._metrics.windows_run(len(batch.predicted) - len(batch.ahead), len(batch.ahead))

    def stage(self, name: str, seconds: float) -> None:
        """One stage of one batch took so long."""
        self._metrics.stage(name, seconds)

    def published_now(self, spoken: Spoken) -> None:
        """These went out."""
        self.published += len(spoken)
        self._metrics.predicted(spoken)
        latest = self._latest
        for one in zip(spoken.opened_at_ms, spoken.symbols, spoken.words, strict=True):
            symbol = one[1]
            # Taken out first, so that the dictionary stays in the order of publishing.
            known = latest.pop(symbol, None)
            latest[symbol] = one if known is None or known[0] <= one[0] else known

    def filled(self, ready: int) -> None:
        """So many of the symbols have a full window."""
        self._ready_symbols = ready
        self._metrics.filled(ready, self._symbols)

    def store_failed(self, error: StoreError) -> None:
        """The store refused or was away; the batch is kept and tried again."""
        self._store_error = str(error)
        self._metrics.store_up(up=False)
        self._metrics.store_failed()

    def store_back(self) -> None:
        """The store answers."""
        self._store_error = ""
        self._metrics.store_up(up=True)

    def lost(self, loss: Loss) -> None:
        """The store had lost predictions that it had answered."""
        self._metrics.lost(loss.gone, loss.republished)

    def waits_behind(self, leader: str) -> None:
        """This daemon leads, and we take over when it falls silent; empty: we lead."""
        self._leader = leader
        self._metrics.standby(now=bool(leader))

    def conditions(self) -> Sequence[Condition]:
        """All that must be so before the daemon is ready."""
        up = self._feed_up()
        full = f"{self._ready_symbols} of {self._symbols} symbols have a full window"
        return (
            Condition("feed", up, "connected, history joined" if up else "not connected, or history still missing"),
            Condition("store", not self._store_error, self._store_error or "answers"),
            Condition("windows", self._ready_symbols > 0, full),
            Condition("lease", met=True, reason=f"standby: {self._leader} leads" if self._leader else "leading"),
        )

    def now(self, about: Mapping[str, str]) -> None:
        """This runs from now on."""
        self._about = about

    def about(self) -> Mapping[str, str]:
        """What runs, in words."""
        return self._about

    def latest(self, limit: int) -> Sequence[Message]:
        """The newest message of each symbol, last published first."""
        newest = list(self._latest.values())[::-1]
        return [decode(words) for *_, words in newest[:limit]]
