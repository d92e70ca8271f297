"""Settings of FrameLens, where its users look for them; `framelens.config` reads them.

`VLLM_MODEL_PATH` (a string) and `VLLM_CONFIG` (a dict) can be imported from here; they are read at that moment.
"""

from typing import Any

from framelens import config
from framelens.python.messages import localised, usual_language


def __getattr__(name: str) -> Any:
    with localised(usual_language()):
        return getattr(config, name)
