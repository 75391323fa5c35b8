"""Bars in, a trained and judged model out. Offline: no redis, no websockets, no asyncio."""
