"""The daemon's settings: one TOML, frozen and typed, read once and handed down as values."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from core import settings
from core.described import keys
from core.errors import ConfigError

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(gt=0)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class BundleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which model, and what runs it."""

    path: str
    """The folder gaze export wrote, or a folder of versions with a file `live` that names the one to serve."""
    engine: str = "auto"
    """auto, onnxruntime, onnxruntime-cuda or another of docs/reference/engines.md: the one asked for, or an error."""
    graph: Literal["auto", "full", "stream"] = "auto"
    """Whole windows at the close, or all but their newest row before it; auto: that, where it gives the same bits."""
    challengers: tuple[str, ...] = ()
    """Bundles that predict the same bars beside it, to records of their own: gaze score compares them."""


class VenueConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One venue, and how it is reached."""

    symbols: tuple[str, ...]
    venue: str = "binance"
    """A feed of docs/reference/feeds.md, or ccxt:NAME for any other venue that ccxt knows."""
    websocket_url: str = ""
    """Another address than the venue's own, such as a stand-in exchange."""
    rest_url: str = ""
    spares: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    """More sockets that carry the same bars: the first word on each counts, and a lost socket costs nothing."""
    proxy: str = ""
    """http://, https://, socks4:// or socks5://; empty: as the environment's HTTPS_PROXY says."""
    sockets: Literal["websockets", "picows"] = "websockets"
    """Whose sockets; picows is faster (docs/reference/feeds.md) and an extra."""
    ca_file: str = ""
    """A file of certificates (PEM) to trust beside the usual ones."""


Venue = TypeVar("Venue", bound=VenueConfig)


class FeedConfig(VenueConfig, frozen=True, forbid_unknown_fields=True):
    """Where bars come from."""

    fill_wait_s: Positive = 30.0
    """How long a bar waits for a missing one before it before its symbol goes on without."""
    inbox: Count = 20_000
    """Closed bars that may wait for the predictor; then the sockets are held back."""
    gone: tuple[str, ...] = ()
    """Members of a bundle's breadth that no longer trade: left out, and not waited for."""
    closed: tuple[str, ...] = ()
    """Days, as UTC dates, on which the venue of a model trained on sessions is closed, beside its usual weekends."""
    more: tuple[VenueConfig, ...] = ()
    """Further venues, each a table [[feed.more]]; no symbol stands in two."""

    @property
    def venues(self) -> tuple[VenueConfig, ...]:
        """All of them, this one first."""
        return (self, *self.more)


class ExternalConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """External records, for a model that reads any."""

    path: str = ""
    """The file they are in: JSON lines or Parquet."""
    look_s: Positive = 5.0
    """How often it is looked at; when it has changed it is read again."""


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where windows and predictions are kept."""

    url: str = ""
    """redis://, rediss:// or unix://, with +sentinel or +cluster; empty: a private server of our own in `directory`."""
    url_file: str = ""
    """A file that holds the url instead, for one with a password: a systemd credential, a mounted secret."""
    directory: str = "state"
    shard: str = "0"
    shards: Count = 1
    """Shared out among so many daemons with these settings, each with a `shard` of its own, 0 to shards - 1."""
    stream_maxlen: Count = 1_000_000
    standby: bool = False
    """Wait while another daemon leads the shard, and take over when it falls silent, instead of taking its place."""
    lease_s: Annotated[float, msgspec.Meta(ge=1)] = 6.0
    """A leading daemon that gave no sign of life for so long is taken to be dead."""
    republish: Count = 20_000
    """Messages kept in memory for a Redis that loses them in a failover."""


class PublishConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes out."""

    late: Literal["publish", "skip"] = "publish"
    """Predictions of bars that closed while the daemon was away."""
    broken: Literal["wait", "fill"] = "wait"
    """Bars whose window lacks one that did not come in time: unpredicted until it comes, or predicted as if flat."""
    top: Count = 8
    """How many of the heaviest attention steps each message names."""


class ParityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often live features are computed again from the bars in the store."""

    windows_per_minute: Annotated[float, msgspec.Meta(ge=0)] = 6.0
    """0 turns it off."""


class WatchConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model is watched: its drift, and its predictions against what came to be."""

    false_alarms_per_quarter: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Drift alarms by chance, over all statistics together; 0: one, or as few as the bundle's reference supports."""
    groups: Annotated[dict[str, tuple[str, ...]], msgspec.Meta(max_length=16)] = {}
    """Symbols by a name you give them, whose shift from the reference is told together: majors = ["BTCUSDT"], say."""


class HttpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Probes, metrics and the status page."""

    host: str = "127.0.0.1"
    """Loopback, unless you say otherwise."""
    port: Port = 9464
    """0 takes a free one."""
    token_file: str = ""
    """A file with a token that readers must bear; probes come without."""
    tls_certificate: str = ""
    """A certificate chain as PEM, and in `tls_key` its key; read again when they change."""
    tls_key: str = ""


class MetricsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which symbols have a gauge of their own; empty: the first 100 of the feed."""

    symbols: tuple[str, ...] = ()


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    bundle: BundleConfig
    feed: FeedConfig
    external: ExternalConfig = ExternalConfig()
    store: StoreConfig = StoreConfig()
    publish: PublishConfig = PublishConfig()
    parity: ParityConfig = ParityConfig()
    watch: WatchConfig = WatchConfig()
    http: HttpConfig = HttpConfig()
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()


class Told(msgspec.Struct, frozen=True):
    """One setting as it holds, and who said so: the default, the file, the environment or the command line."""

    key: str
    value: Any
    origin: str


def read(path: Path, overrides: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file; relative paths in it are meant from its folder.

    What `environment` says, as GAZE_SECTION__KEY, wins over the file, and `overrides` over both.
    Raises: ConfigError: no such file, not TOML, a key unknown, missing or of another type, no or repeated symbols.
    """
    config = _decoded(path, overrides, environment or {})
    _check(config.feed, path)
    numbers = [str(number) for number in range(config.store.shards)]
    if config.store.shards > 1 and config.store.shard not in numbers:
        raise ConfigError(
            f"{path}: [store] shard {config.store.shard!r} is none of its {len(numbers)} shards; "
            f"try: a number from 0 to {numbers[-1]}"
        )
    if bool(config.http.tls_certificate) != bool(config.http.tls_key):
        raise ConfigError(f"{path}: [http] tls_certificate and tls_key go together; try: name both, or neither")
    return _with_secrets(_from_folder(config, path.parent))


def of_settings(path: Path, environment: Mapping[str, str]) -> tuple[str, Path, str]:
    """Where a daemon with these settings keeps what it publishes: the URL, or the folder of its own store, the shard.

    Raises: ConfigError: as `read`.
    """
    store = read(path, environment=environment).store
    return store.url, Path(store.directory), store.shard


def _check(feed: FeedConfig, path: Path) -> None:
    if not all(one.symbols and all(one.symbols) for one in feed.venues):
        raise ConfigError(f"{path}: [feed] symbols is empty, or names an empty one; try: symbols = ['BTCUSDT']")
    symbols = _twice(name for one in feed.venues for name in one.symbols)
    if symbols:
        raise ConfigError(f"{path}: [feed] symbols names {symbols} twice; try: a daemon of its own for another venue's")
    venues = _twice(one.venue for one in feed.venues)
    if venues:
        raise ConfigError(f"{path}: [feed] names the venue {venues} twice; try: all of its symbols in one table")


def _twice(names: Iterable[str]) -> str:
    return ", ".join(sorted(name for name, count in Counter(names).items() if count > 1))


def told(path: Path, overrides: Sequence[str], environment: Mapping[str, str]) -> Iterator[Told]:
    """Every setting with its origin; of origins that say the same key, the last wins."""
    config = _decoded(path, overrides, environment)
    origins = dict.fromkeys(settings.dotted(path.read_bytes()), str(path))
    for variable, override in settings.from_environment(environment).items():
        origins[override.partition("=")[0]] = variable
    origins |= {override.partition("=")[0]: "the command line" for override in overrides}
    for key in keys(Config):
        section = getattr(config, key.section)
        yield Told(key.dotted, getattr(section, key.name), origins.get(key.dotted, "default"))


def _decoded(path: Path, overrides: Sequence[str], environment: Mapping[str, str]) -> Config:
    if not path.is_file():
        raise ConfigError(f"no configuration at {path}; try: gaze init DIR writes one, gaze run CONFIG.toml takes it")
    variables = settings.from_environment(environment)
    where = f"{path} with {', '.join(variables)}" if variables else str(path)
    return settings.decode(path.read_bytes(), Config, where, [*variables.values(), *overrides])


def _with_secrets(config: Config) -> Config:
    """The store's URL from the file that holds it."""
    store = config.store
    if not store.url_file:
        return config
    if store.url:
        raise ConfigError("[store] has both url and url_file; try: leave url out")
    try:
        url = Path(store.url_file).read_text().strip()
    except OSError as error:
        why = f"{store.url_file}: {error.strerror}"
        raise ConfigError(f"[store] url_file cannot be read, {why}; try: see who may read it") from error
    if not url:
        raise ConfigError(
            f"[store] url_file {store.url_file} is empty; try: write redis://USER:PASSWORD@HOST:6379/0 to it"
        )
    return msgspec.structs.replace(config, store=msgspec.structs.replace(store, url=url))


def _from_folder(config: Config, folder: Path) -> Config:
    replace = msgspec.structs.replace
    return replace(
        config,
        feed=replace(_beside(config.feed, folder), more=tuple(_beside(one, folder) for one in config.feed.more)),
        bundle=replace(
            config.bundle,
            path=str(folder / config.bundle.path),
            challengers=tuple(str(folder / one) for one in config.bundle.challengers),
        ),
        external=replace(config.external, path=config.external.path and str(folder / config.external.path)),
        store=replace(
            config.store,
            directory=str(folder / config.store.directory),
            url_file=config.store.url_file and str(folder / config.store.url_file),
        ),
        http=replace(
            config.http,
            token_file=config.http.token_file and str(folder / config.http.token_file),
            tls_certificate=config.http.tls_certificate and str(folder / config.http.tls_certificate),
            tls_key=config.http.tls_key and str(folder / config.http.tls_key),
        ),
    )


def _beside(venue: Venue, folder: Path) -> Venue:
    return msgspec.structs.replace(venue, ca_file=venue.ca_file and str(folder / venue.ca_file))
