"""Videos of sites that send pictures and sound apart: DASH with a file of each, and HLS with a playlist of each."""

from pathlib import Path

import av
import pytest

from framelens.core.errors import AppError
from framelens.store.videos.video_repository import VideoRepository
from tests.media import moving, write_sound, write_video
from tests.store.test_links import Fetching, fetch, served, videos
from tests.video_server import Served

__all__ = ["fetch", "served", "videos"]
SECONDS = 4
_MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" minBufferTime="PT1S"><Period>
<AdaptationSet mimeType="video/mp4"><Representation id="v" codecs="avc1.64000a" width="160" height="96"
 bandwidth="100000"><BaseURL>v.mp4</BaseURL></Representation></AdaptationSet>
<AdaptationSet mimeType="audio/mp4" lang="en"><Representation id="a" codecs="mp4a.40.2" audioSamplingRate="16000"
 bandwidth="30000"><BaseURL>a.mp4</BaseURL></Representation></AdaptationSet>
</Period></MPD>"""
_MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="en",DEFAULT=YES,URI="a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS="avc1.64000a,mp4a.40.2",RESOLUTION=160x96,AUDIO="s"
v.m3u8
"""
_PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{name}\n#EXT-X-ENDLIST\n"
_HLS, _DASH = "application/vnd.apple.mpegurl", "application/dash+xml"


@pytest.fixture
def site(served: Served, tmp_path: Path) -> Served:
    """The server with pictures and sound in files of their own, for both kinds of manifests."""
    pictures = list(moving(25 * SECONDS))
    made = {name: write_video(tmp_path / name, pictures) for name in ("v.mp4", "v.ts")}
    made |= {name: write_sound(tmp_path / name, SECONDS) for name in ("a.mp4", "a.aac")}
    kinds = {"v": "video/mp4", "a": "audio/mp4"}
    served.files = {name: (kinds[name[0]], path.read_bytes()) for name, path in made.items()}
    served.files |= {"film.mpd": (_DASH, _MPD.encode()), "film.m3u8": (_HLS, _MASTER.encode())}
    for kind, name in (("v", "v.ts"), ("a", "a.aac")):
        served.files[f"{kind}.m3u8"] = (_HLS, _PLAYLIST.format(name=name).encode())
    return served


@pytest.mark.slow
@pytest.mark.parametrize("manifest", ["film.mpd", "film.m3u8"])
def test_pictures_and_sound_are_joined(site: Served, fetch: Fetching, manifest: str) -> None:
    path = fetch(f"{site.url}/files/{manifest}")
    link = VideoRepository.link_of(path)
    assert path.name == "film.mp4" and link and link.url.endswith(manifest)
    with av.open(path) as container:
        (video,), (sound,) = container.streams.video, container.streams.audio
        starts = [float((one.start_time or 0) * (one.time_base or 0)) for one in (video, sound)]
        assert abs(starts[0] - starts[1]) < 0.1
        assert sum(bool(packet.size) for packet in container.demux(video)) == 25 * SECONDS
    assert not list(fetch.videos._parts.iterdir())


@pytest.mark.slow
def test_sound_that_is_none_ends_in_a_sentence(site: Served, fetch: Fetching) -> None:
    site.files["a.mp4"] = ("video/mp4", b"no sound" * 1000)
    with pytest.raises(AppError) as refused:
        fetch(f"{site.url}/files/film.mpd")
    assert refused.value.key == "video_not_joined"
    assert not list(fetch.videos._folder.glob("*.json"))
