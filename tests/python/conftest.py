"""Settings of the suite: a compiler bug is an error here, never a fallback."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

# Read by numlift when it is imported: an internal error raises, MIR is verified after every pass.
os.environ.setdefault("NUMLIFT_DEBUG", "1")
# No test uses the cache of the user.
os.environ["NUMLIFT_CACHE_DIR"] = tempfile.mkdtemp(prefix="numlift-tests-")
sys.path.insert(0, str(Path(__file__).parent))

import hypothesis

hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.register_profile(
    "search", parent=hypothesis.settings.get_profile("suite"), derandomize=False
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
atexit.register(shutil.rmtree, os.environ["NUMLIFT_CACHE_DIR"], ignore_errors=True)
# A shell starts jobs in the background with SIGINT ignored, and Python leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
