"""A stand-in exchange on loopback: a file of bars, told in a venue's own words over websocket and REST."""
