"""The same pipeline over files of bars, at full speed, and what it says beside what was published."""
