"""A small program that behaves like an engine's server: writes a log, answers /health and /v1/models, or fails.

`python fake_engine.py PORT PLAN` (PLAN is JSON): lines to print in turn, then `exit` to end with a status, or serve;
`hold` names a file that must exist before it continues, `child` a file for the id of a process it starts in a session
of its own, `sick` a file that makes it say that it has broken down, `starts` a file to which a line is added at each
start; `deaf` ignores SIGTERM.
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT, PLAN = int(sys.argv[1]), json.loads(sys.argv[2])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        key = self.headers.get("Authorization")
        if self.path == "/health":
            self.answer(503 if "sick" in PLAN and Path(PLAN["sick"]).exists() else 200, b"")
        elif self.path == "/die":
            os._exit(int(PLAN.get("die", 1)))
        elif key != f"Bearer {os.environ['FAKE_API_KEY']}":
            self.answer(401, b"{}")
        elif self.path == "/version":
            self.answer(200, b'{"version": "9.9"}')
        else:
            self.answer(200, json.dumps({"data": [{"id": "fake", "max_model_len": 321}]}).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def main() -> None:
    if PLAN.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "starts" in PLAN:
        with Path(PLAN["starts"]).open("a") as starts:
            starts.write(f"{os.getpid()}\n")
    if "child" in PLAN:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        Path(PLAN["child"]).write_text(str(child.pid))
    for line in PLAN.get("lines", []):
        print(line, flush=True)
    while "hold" in PLAN and not Path(PLAN["hold"]).exists():
        time.sleep(0.02)
    if "exit" in PLAN:
        sys.exit(PLAN["exit"])
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()


main()
