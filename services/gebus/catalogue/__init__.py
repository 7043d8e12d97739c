"""The directory `schemas/` as values: read, checked, and every error with file and line."""

from gebus.catalogue.event import EventValidator
from gebus.catalogue.loader import load
from gebus.catalogue.tree import Places

__all__ = ["EventValidator", "Places", "load"]
