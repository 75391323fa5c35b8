"""The words all parts of Gaze share: bars, features, attention, predictions, bundles. Pure: no I/O, no clock."""

__version__ = "0.1.0"
