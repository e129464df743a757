"""The commands that a face can give the core: one class per command, each with the type of its reply.

The same values travel inside the process and, as JSON, over the control socket. `service/` carries
them out, in files of the same names. Each command names the action that `access.authorize` checks.
`origin` is the face's own key for one act of a person: a command repeated with the same key is done once.

The public names of each theme are names of `api`, so a new one needs no line here. The type checker refuses the
import of a name that a theme only imports itself, and a name that two themes give to different things.
"""

from api.administering import *
from api.backing_up import *
from api.branching import *
from api.checkpointing import *
from api.cleaning import *
from api.command import *
from api.context import *
from api.core import *
from api.files import *
from api.finding import *
from api.folders import *
from api.linking import *
from api.making import *
from api.managing import *
from api.network import *
from api.permissions import *
from api.prompt_templates import *
from api.prompting import *
from api.reading import *
from api.refusals import *
from api.reviewing import *
from api.run_model import *
from api.searching import *
from api.shared_pages import *
from api.timing import *
from api.trusting import *
from api.workflows import *
