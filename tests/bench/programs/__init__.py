"""The peers that are written in Python: each a whole program, started with the path of its task."""
