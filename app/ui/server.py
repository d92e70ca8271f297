"""Program that serves the page: Streamlit with its options, and a sentence for Ctrl-C while it is imported.

It imports little before it handles that.
"""

import sys
from pathlib import Path

_MAIN = Path(__file__).resolve().parents[1] / "main.py"


def serve(options: list[str]) -> int:
    """Run Streamlit with these options until the process ends, and return the exit code."""
    try:
        import click
        from streamlit.web.cli import main

        try:
            return int(main(["run", str(_MAIN), *options], prog_name="streamlit", standalone_mode=False) or 0)
        except click.Abort as error:  # Ctrl-C, as click puts it
            raise KeyboardInterrupt from error
        except click.ClickException as error:
            error.show()
            return error.exit_code
    except KeyboardInterrupt:
        from app.core import Cancelled
        from app.i18n import error_text, in_language, system_language

        with in_language(system_language()):
            sys.stderr.write(f"{error_text(Cancelled())}\n")
        return Cancelled.exit_code


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
