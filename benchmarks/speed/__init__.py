"""How soon predictions are there: bursts, single bars, starts, and where the time goes."""
