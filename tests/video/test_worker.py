"""The child process that decodes: it ends when it should, and its death is a single job's error."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from framelens.core.codec import to_json
from framelens.core.domain import Selection
from framelens.core.errors import Cancelled, DecodeError
from framelens.core.events import KeyframesChosen, Probed, SurveyProgress
from framelens.i18n import LANGUAGES, error_text
from framelens.video import worker
from framelens.video.extractor import extract, probe
from framelens.video.keyframes.options import ExtractOptions
from framelens.video.keyframes.strategies import WorkerRequest
from framelens.video.readers.base import FrameReader
from framelens.video.worker import events_of
from tests.video.conftest import decoding_children

pytestmark = pytest.mark.own_start


def only_child() -> psutil.Process:
    (child,) = decoding_children()
    return child


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSEGV"), reason="no signals here")
def test_a_crash_of_the_decoder_is_an_error_of_this_file(long_video: Path) -> None:
    events = extract(long_video, ExtractOptions(4, read_text=False))
    assert isinstance(next(events), Probed)
    only_child().send_signal(signal.SIGSEGV)
    with pytest.raises(DecodeError) as caught:
        list(events)
    assert caught.value.key == "video_decoder_crashed"
    for language in LANGUAGES:
        assert long_video.name in error_text(caught.value, language)


@pytest.mark.slow
def test_cancel_ends_a_child_that_hangs(long_video: Path) -> None:
    cancel = threading.Event()
    events = extract(long_video, ExtractOptions(4, read_text=False), cancel=cancel)
    next(events)
    only_child().suspend()
    cancel.set()
    with pytest.raises(Cancelled):
        list(events)
    assert decoding_children() == []


def test_a_cancel_before_the_start_wins(long_video: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        next(extract(long_video, ExtractOptions(4), cancel=cancel))


def test_a_probe_that_never_ends_is_ended(moving_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framelens.video.extractor._PROBE_SECONDS", 0)
    with pytest.raises(DecodeError) as caught:
        probe(moving_video)
    for language in LANGUAGES:
        assert moving_video.name in error_text(caught.value, language)


@pytest.mark.slow
def test_closing_the_iterator_ends_the_child(long_video: Path) -> None:
    events = extract(long_video, ExtractOptions(4, read_text=False))
    assert isinstance(next(events), Probed)
    assert isinstance(next(events), SurveyProgress)
    assert len(decoding_children()) == 1
    events.close()  # type: ignore[attr-defined]
    assert decoding_children() == []


@pytest.mark.slow
def test_the_child_ends_with_its_parent(long_video: Path) -> None:
    """A parent that is killed outright cannot end its child: the child has to notice."""
    program = (
        "import sys; from pathlib import Path; from framelens.video.keyframes.options import ExtractOptions\n"
        "from framelens.video.extractor import extract\n"
        "events = extract(Path(sys.argv[1]), ExtractOptions(4, read_text=False)); next(events)\n"
        "print('started', flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(long_video)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None and parent.stdin is not None
    assert parent.stdout.readline() == b"started\n"
    (child,) = [c for c in psutil.Process(parent.pid).children() if "framelens.video.worker" in c.cmdline()]
    parent.kill()
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    child.wait(timeout=60)


@pytest.mark.slow
def test_nothing_in_the_working_directory_is_run(
    tmp_path: Path, moving_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("av.py", "json.py", "cv2.py"):
        (tmp_path / name).write_text("raise SystemExit('run in place of the library')")
    monkeypatch.chdir(tmp_path)
    assert probe(moving_video).codec == "h264"


@pytest.mark.slow
def test_a_probe_leaves_no_decoder_in_this_process(moving_video: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from framelens.video.extractor import probe; probe(Path(sys.argv[1]));"
        "print([name for name in ('av', 'cv2', 'onnxruntime', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(moving_video)], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no file descriptors to pass")
def test_what_a_library_prints_does_not_reach_the_messages(moving_video: Path) -> None:
    request = to_json(WorkerRequest("probe", moving_video))
    program = (
        "import framelens.video.worker as child\n"
        "opened = child.open_reader\n"
        "def noisy(path, **_):\n    print('noise', flush=True)\n    return opened(path)\n"
        "child.open_reader = noisy\nchild.main()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as child:
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None
        child.stdin.write(request.encode() + b"\n")
        messages, log = child.stdout.read(), child.stderr.read()  # its standard input stays open meanwhile
    assert messages and b"noise" not in messages
    assert b"noise" in log


@pytest.mark.parametrize(
    ("selection", "decodes_all"),
    [(Selection(), False), (Selection(start_seconds=0.2), True), (Selection(end_seconds=0.5), True)],
    ids=["whole", "start", "end"],
)
def test_in_a_range_every_frame_may_be_wanted(
    moving_video: Path, monkeypatch: pytest.MonkeyPatch, selection: Selection, decodes_all: bool
) -> None:
    opened, asked = worker.open_reader, []

    def noted(path: Path, *, every_frame: bool) -> FrameReader:
        asked.append(every_frame)
        return opened(path, every_frame=every_frame)

    monkeypatch.setattr(worker, "open_reader", noted)
    request = WorkerRequest("extract", moving_video, ExtractOptions(2, selection, read_text=False))
    assert any(isinstance(event, KeyframesChosen) for event in events_of(request))
    assert asked[0] is decodes_all
