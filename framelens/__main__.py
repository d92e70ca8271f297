"""Entry point of the command `framelens` and of `python -m framelens`.

It imports only what Python has imported already, so that Ctrl-C ends the command with a sentence while its modules are
still being imported.
"""

import os
import sys

_AGAIN_SECONDS = 0.05


def main() -> int:
    """Run the command line and return its exit code."""
    code = _run()
    import gc

    gc.freeze()  # as it ends, Python searches the remaining objects for cycles: 25 ms for all these modules
    return code


def _open_closed_streams() -> None:
    """Open the null device in place of closed standard streams, whose descriptors other files would get."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end


def _raise_later(unraisable: "sys.UnraisableHookArgs") -> None:
    """Repeat a Ctrl-C that was raised where Python can only print it, as in an extension during its import."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    import _thread
    import signal
    import threading

    main_thread = threading.main_thread().ident or 0

    def interrupt() -> None:
        if sys.platform == "win32":
            _thread.interrupt_main()
        else:
            signal.pthread_kill(main_thread, signal.SIGINT)  # which ends a wait, too

    timer = threading.Timer(_AGAIN_SECONDS, interrupt)
    timer.daemon = True
    timer.start()


def _run() -> int:
    sys.unraisablehook = _raise_later
    _open_closed_streams()
    try:
        from framelens.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from framelens.cli.main import interrupted

        return interrupted()


if __name__ == "__main__":
    raise SystemExit(main())
