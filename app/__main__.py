"""Entry point of the command `framelens` and of `python -m app`.

It imports nothing at first, so that Ctrl-C ends the command with a sentence while its modules are still being imported.
A command that decodes starts its worker before that.
"""

import sys
from contextlib import suppress

_DECODE = frozenset({"keyframes", "analyse", "analyze", "batch", "watch"})


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        if sys.argv[1:] and sys.argv[1] in _DECODE and not {"-h", "--help"} & set(sys.argv):
            from app.video.worker_process import start_early

            with suppress(OSError):  # the start for the file reports it
                start_early()
        from app.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from app.cli.main import interrupted

        return interrupted()


if __name__ == "__main__":
    raise SystemExit(main())
