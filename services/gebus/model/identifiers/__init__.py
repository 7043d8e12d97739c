"""Identifiers of people, organisations, places and things: checked with reasons, masked, invented for tests.

One module a kind: `parse` gives the parts of a value or raises IdentifierRefused with the reason, `mask` gives what may
be shown of it, `generate` invents one. Checks are of the form, the check characters and the lists of the standards:
whether a value was issued, and to whom, only its issuer knows.
"""

from gebus.model.identifiers.division import DIVISIONS, FIRST_DAY, Divisions
from gebus.model.identifiers.kinds import IDENTIFIER_NAMES, IdentifierKind, identifier_kinds

__all__ = ["DIVISIONS", "FIRST_DAY", "IDENTIFIER_NAMES", "Divisions", "IdentifierKind", "identifier_kinds"]
