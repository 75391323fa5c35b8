"""The site that `make docs` builds from these pages; they read as well where they lie."""

project = "Gaze"
author = "The Gaze authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Gaze"
exclude_patterns = ["conf.py", "generate.py"]
myst_heading_anchors = 3
