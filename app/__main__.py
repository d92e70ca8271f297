"""Entry point of the command `framelens` and of `python -m app`.

It imports nothing at first, so that Ctrl-C ends the command with a sentence while its modules are still being imported.
"""

from __future__ import annotations


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        from app.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from app.cli.main import interrupted

        return interrupted()


if __name__ == "__main__":
    raise SystemExit(main())
