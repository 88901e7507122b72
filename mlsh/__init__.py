"""mlsh: run, follow and never lose jobs on machines that you reach by SSH."""

import gc

# A command lives for a tenth of a second, a twentieth of which would go into looking for garbage while it imports.
gc.set_threshold(50_000)

__version__ = "0.1.0"
