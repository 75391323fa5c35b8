"""A trained run in, a bundle out: each artefact proven against the golden outputs before it is written."""
