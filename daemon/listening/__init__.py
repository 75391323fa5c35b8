"""Bars in: the sockets, the history behind them, and the seam where they meet."""
