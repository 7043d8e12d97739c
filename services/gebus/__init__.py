"""gebus: an event bus between enterprises and government departments.

Parties publish typed events once; lanes deliver to each consumer exactly the records, and the fields
of them, that the consumer may have. Start at README.md for the picture and the words.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
