"""Which video the page plays with a report that was made elsewhere."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from framelens.api.playback import keep_video, video_for
from framelens.core.domain import UNKNOWN_PATH
from framelens.core.errors import InputError
from framelens.store.videos.video_repository import VideoRepository


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def services_of(tmp_path: Path, *allowed: Path) -> Any:
    videos = VideoRepository(tmp_path / "data", allowed, tmp_path / "sample.mp4")
    session = SimpleNamespace(extractions=SimpleNamespace(sha256=sha256_of))
    library = SimpleNamespace(one_of_each_file=lambda sha256: [])
    return SimpleNamespace(
        videos=videos, switcher=SimpleNamespace(session=session), jobs=SimpleNamespace(library=library, brief=None)
    )


@pytest.fixture
def job(tmp_path: Path) -> Any:
    path = tmp_path / "clips" / "talk.mp4"
    path.parent.mkdir()
    path.write_bytes(b"video")
    analysis = SimpleNamespace(sha256=sha256_of(path))
    return SimpleNamespace(
        request=SimpleNamespace(path=path), user_id="", name="talk.mp4", analysis=analysis, is_imported=False
    )


def uploaded(services: Any, content: bytes) -> str:
    upload = services.videos.create_upload("copy.mp4", len(content))
    with services.videos.part(upload.id, 0) as part:
        part.write(content)
    return str(services.videos.finish(upload.id))


def test_videos_of_pages_and_folders_alone_are_played(job: Any, tmp_path: Path) -> None:
    # A video that was never on a page is not played.
    services = services_of(tmp_path)
    assert video_for(services.videos, services.jobs, job) is None
    # A video below an allowed folder is played.
    services = services_of(tmp_path, tmp_path / "clips")
    found = video_for(services.videos, services.jobs, job)
    assert found and services.videos.path(found) == job.request.path


def test_the_same_content_dropped_on_the_page_is_played(job: Any, tmp_path: Path) -> None:
    services = services_of(tmp_path)
    video_id = uploaded(services, b"video")
    keep_video(services.videos, services.switcher.session.extractions, job, video_id)
    assert video_for(services.videos, services.jobs, job) == video_id
    services.videos.drop_upload(services.videos.path(video_id))
    assert video_for(services.videos, services.jobs, job) is None


def test_the_video_of_another_report_on_it_is_played(job: Any, tmp_path: Path) -> None:
    services = services_of(tmp_path)
    video_id = uploaded(services, b"video")
    mine = SimpleNamespace(request=SimpleNamespace(path=services.videos.path(video_id)), user_id="")
    gone = SimpleNamespace(request=SimpleNamespace(path=job.request.path), user_id="")
    services.jobs.library.one_of_each_file = lambda sha256: ["gone", "mine"]
    services.jobs.brief = {"gone": gone, "mine": mine}.__getitem__
    job.request.path, job.is_imported = UNKNOWN_PATH, True
    assert video_for(services.videos, services.jobs, job) == video_id


def test_a_copy_is_played_for_a_file_that_has_gone(job: Any, tmp_path: Path) -> None:
    services = services_of(tmp_path, tmp_path / "clips")
    own = services.videos.from_path(str(job.request.path))
    video_id = uploaded(services, b"video")
    services.videos.keep_copy_of(job.analysis.sha256, video_id)
    assert video_for(services.videos, services.jobs, job) == own
    job.request.path.unlink()
    assert video_for(services.videos, services.jobs, job) == video_id
    services.videos.drop_upload(services.videos.path(video_id))
    assert video_for(services.videos, services.jobs, job) == own, "it says that the file has gone"


def test_another_video_is_refused_and_not_kept(job: Any, tmp_path: Path) -> None:
    services = services_of(tmp_path)
    video_id = uploaded(services, b"other")
    with pytest.raises(InputError) as caught:
        keep_video(services.videos, services.switcher.session.extractions, job, video_id)
    assert caught.value.key == "video_other_content"
    with pytest.raises(InputError):
        services.videos.path(video_id)
