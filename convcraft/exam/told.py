"""What an observation says in words. It is written in English, whoever looks at it, and retold when it is shown."""

from convcraft.language import N_

NO_MESSAGE = N_("no message")
HIDDEN_MESSAGE = N_("(its message cannot be shown)")
LINE, SOME_LINE = N_("line {number}: {code}"), N_("line {number}")  # the first where the second fits, too
PART = N_("part {number}")

RAN_ON = N_("Your code was still running after {seconds} seconds and was stopped. Is there a loop that never ends?")
NOTHING = N_('The exam was given None. Give it the function or class itself: examine("{name}", {name}).')
NO_FUNCTION = N_("The exam was given an object of type {type}. Give it the function or class itself: "
                 'examine("{name}", {name}).')
STOPPED_AT = N_("There is no {name} to examine: the cell that defines it stopped at line {line}: {reason}")
STOPPED = N_("There is no {name} to examine: the cell that defines it stopped {reason}")

SKIPPED = N_("The magic {magic} was skipped here ({reason}); the rest of its cell ran.")
NO_MAGIC = N_("The magic {magic} was skipped here (there is no such magic); the rest of its cell ran.")

CUT = N_("Autograd cannot see how the result depends on the input: the graph is cut.")
CUT_OF = N_("Autograd cannot see how the result depends on input {numbers} of {count}: the graph is cut.")

TYPE = N_("an object of type {type}")
TOO_LARGE = N_("a collection too large or too deep to look at")
TOO_LONG = N_("a whole number of more than 63 bits")
NESTED = N_("a nested tensor")
SPARSE = N_("a sparse tensor")
ELSEWHERE = N_("a tensor on the device {device}")
OF_DTYPE = N_("a tensor of dtype {dtype}")
OF_COUNT = N_("a tensor of {count} numbers")
OPAQUE = (TOO_LARGE, TOO_LONG, NESTED, SPARSE, ELSEWHERE, OF_DTYPE, OF_COUNT, TYPE)

IN_ANY_ORDER = N_("all numbers, from small to large")
BUT_FOR_SCALE = N_("divided by the number furthest from 0")
