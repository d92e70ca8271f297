"""Settings of FrameLens, where its users look for them; `framelens.config` reads them.

`VLLM_MODEL_PATH` (a string) and `VLLM_CONFIG` (a dict) can be imported from here; they are read at that moment.
"""

from typing import Any

from framelens import config
from framelens.core.errors import ConfigError
from framelens.i18n import error_text
from framelens.python.messages import usual_language


def __getattr__(name: str) -> Any:
    try:
        return getattr(config, name)
    except ConfigError as error:
        error.text = error_text(error, usual_language())
        raise
