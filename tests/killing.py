"""A real process that is killed by signal 9 before each of its SQL statements and operations on files in turn.

A statement counts when it is sent, an operation when it begins: opening a file for writing, syncing, renaming, linking
or removing a file, or making or removing a folder.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_MOST_STEPS = 2000
_SERVER = """
import os, signal, sqlite3, sys
sys.path[:0] = [os.getcwd()]
{imports}
folder = os.path.realpath(sys.argv[1])
NAMES = {{"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "sqlite3.connect"}}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
left = 0
def step():
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
def watch(event, given):
    if event == "open" and not (isinstance(given[2], int) and given[2] & WRITES):
        return
    if event == "open" or event in NAMES:
        path = given[0]
        if isinstance(path, int) or (isinstance(path, (str, bytes)) and os.fsdecode(path).startswith(folder)):
            step()
class Counted(sqlite3.Connection):
    def execute(self, *given):
        step()
        return super().execute(*given)
    def executemany(self, *given):
        step()
        return super().executemany(*given)
    def backup(self, *given, **more):
        step()
        return super().backup(*given, **more)
def act():
{act}
connect, fsync = sqlite3.connect, os.fsync
def synced(descriptor):
    step()
    fsync(descriptor)
for line in sys.stdin:
    if child := os.fork():
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    left = int(line)
    sqlite3.connect = lambda *given, **more: connect(*given, **{{"factory": Counted, **more}})
    os.fsync = synced
    sys.addaudithook(watch)
    try:
        act()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
"""


def killed_at_each_step(imports: str, act: str, template: Path, folder: Path) -> Iterator[int]:
    """Copy `template` to `folder`, kill `act` there before its step 0, 1, 2 …, and yield the number after each kill.

    The last number belongs to the run that came to its end. `act` are the lines of a function, in which `folder` is the
    folder's path.
    """
    indented = "\n".join(f"    {line}" for line in act.strip().splitlines())
    program = _SERVER.format(imports=imports, act=indented)
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        for number in range(_MOST_STEPS):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(template, folder)
            server.stdin.write(f"{number}\n")
            server.stdin.flush()
            code = int(server.stdout.readline())
            assert code in (0, -9), f"step {number} ended with {code}"
            yield number
            if code == 0:
                server.stdin.close()
                return
    raise AssertionError("it does not end")
