"""The same burst in pipelines that others would write, one file each."""
