"""The training loop and everything around it; networks live in models/.

Imported before torch by every entry point, since OpenMP reads its variables when torch is loaded.
"""

from .signals import leave_quietly
from .threads import prepare

leave_quietly()
prepare()
