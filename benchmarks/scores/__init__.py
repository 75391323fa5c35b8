"""Every recipe trained and judged on real bars, and the page that tells of it."""
