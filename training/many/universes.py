"""Universes: sets of symbols by name, each of which a training of its own learns from."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from core import settings
from core.errors import ConfigError, DataError

Universes = dict[str, tuple[str, ...]]

_NAME: Final = re.compile(r"[A-Za-z0-9.-]+")


def read_universes(path: Path, there: Collection[str]) -> Universes:
    """The symbols of each universe by its name. `there`: the symbols of the file of bars.

    Raises: ConfigError: no such file, not TOML, or a name that no folder can have. DataError: a symbol is not there.
    """
    try:
        found = msgspec.convert(settings.parsed(path.read_bytes(), str(path)), Universes)
    except FileNotFoundError as error:
        raise ConfigError(f'no universes at {path}; try: a file with majors = ["BTCUSDT", "ETHUSDT"]') from error
    except msgspec.ValidationError as error:
        raise ConfigError(f'{path}: {error}; try: majors = ["BTCUSDT", "ETHUSDT"]') from error
    if not found:
        raise ConfigError(f'{path} names no universe; try: majors = ["BTCUSDT", "ETHUSDT"]')
    for name, symbols in found.items():
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{path}: {name!r} cannot be part of a folder; try: letters, digits, '.', '-'")
        if not symbols or len(set(symbols)) < len(symbols):
            raise ConfigError(f"{path}: {name} has no symbol, or one twice; try: {name} = {['BTCUSDT', 'ETHUSDT']}")
        if missing := sorted(set(symbols) - set(there)):
            known = ", ".join(sorted(there)[:8])
            raise DataError(f"{path}: {name} wants bars of {', '.join(missing)}; the file has {known}. try: without it")
    return found
