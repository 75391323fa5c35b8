"""Is the model still where it was? What is watched, how far it has moved, and when that is an alarm. Pure.

    rows of predictions -> statistics.py -> one observation a period -> detector.py -> how far past the limits
    the bundle's reference -> calibration.py -> the limits, so that false alarms come as rarely as was promised

docs/explanation/drift.md tells why it is done this way.
"""
