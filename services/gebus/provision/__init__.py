"""The catalogue made real: topics, schemas, principals and rights of a broker and a registry brought to what it says.

`desired` says what a catalogue asks for, `observed` what is there, `changes` compares the two (pure, all refusals
before anything happens), with `forgetting` for what its steps remember, `apply` carries out what was printed.
"""

from gebus.provision.apply import apply
from gebus.provision.changes import Change, Changes, compare
from gebus.provision.desired import Desired, desired
from gebus.provision.notebook import Notebook
from gebus.provision.observed import Observed, observe

__all__ = ["Change", "Changes", "Desired", "Notebook", "Observed", "apply", "compare", "desired", "observe"]
