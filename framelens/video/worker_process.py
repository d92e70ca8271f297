"""Start of decoder worker processes."""

import subprocess
import sys

from framelens.core.child_environment import reader_environment

WorkerProcess = subprocess.Popen[bytes]
DECODER = "framelens.video.worker"
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy's matrix products are small here; waiting threads would take time from the decoder."""


def start_worker(*options: str, module: str = DECODER) -> WorkerProcess:
    """Start a worker, which waits for its request; see framelens.video.worker for the options."""
    # -P keeps a file in the working directory from being imported in place of a library.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**_ONE_THREAD, **reader_environment()},
        process_group=0,  # Ctrl-C in the terminal is handled by this process alone
    )
