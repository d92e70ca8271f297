"""Reels and edit lists: which pictures a reel has, its sound and chapters, and what is drawn into pictures."""

from pathlib import Path

import av
import numpy as np
import pytest

from framelens.core.domain import Cue
from framelens.core.errors import ConfigError, InputError, VideoError
from framelens.i18n import LANGUAGES, error_text
from framelens.plugins.editing.clips import edit_list
from framelens.plugins.editing.clips.cutter import cut_clip, cut_reel
from framelens.plugins.editing.clips.pieces import Piece
from tests.marked import marked, number_of, uneven_times
from tests.media import solid, with_sound, write_video
from tests.plugins.editing.clips.test_cutter import frames_of

PIECES = [Piece("finding", 1, "at the gate", 3.0, 4.0), Piece("", 0, "门口", 1.0, 2.0)]


@pytest.mark.slow
@pytest.mark.parametrize("is_uneven", [False, True])
def test_reel_has_the_pictures_of_its_pieces_in_order(tmp_path: Path, is_uneven: bool) -> None:
    times = uneven_times(120) if is_uneven else [number / 25 for number in range(120)]
    path = write_video(tmp_path / "film.mp4", marked(120), times=times)
    reel = cut_reel(path, PIECES, tmp_path / "reel.mp4", has_chapters=True)
    wanted: list[tuple[float, int]] = []
    for piece, offset in zip(PIECES, (0.0, reel.lengths_seconds[0]), strict=True):
        first = max(number for number, time in enumerate(times) if time <= piece.start_seconds)
        inside = [
            n for n, time in enumerate(times) if n == first or piece.start_seconds < time < (piece.end_seconds or 0)
        ]
        start = piece.start_seconds if piece.start_seconds - times[first] > 0.1 else times[first]
        wanted += [(offset + max(0.0, times[number] - start), number) for number in inside]
    found = frames_of(reel.path)
    assert [number for _, number in found] == [number for _, number in wanted]
    assert [time for time, _ in found] == pytest.approx([time for time, _ in wanted], abs=0.003)
    assert reel.num_frames == len(found)
    with av.open(str(reel.path)) as container:
        chapters = [(chapter["metadata"]["title"], chapter["start"]) for chapter in container.chapters()]
    assert chapters == [("at the gate", 0), ("门口", round(reel.lengths_seconds[0] * 1000))]


@pytest.mark.slow
def test_sound_of_each_piece_stays_with_its_pictures(tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", marked(120))
    path = with_sound(film, tmp_path / "sound.mp4", sound=(1.5, 3.5))
    reel = cut_reel(path, PIECES, tmp_path / "reel.mp4")  # loud: 0 to 0.5, and 1.5 to 2
    with av.open(str(reel.path)) as container:
        blocks = [(float(one.pts * one.time_base), one.to_ndarray()) for one in container.decode(audio=0)]
    loud = [
        time + place / 48_000 for time, block in blocks for place in np.flatnonzero(np.abs(block).max(axis=0) > 0.05)
    ]
    edges = [min(loud), max(one for one in loud if one < 1), min(one for one in loud if one > 1), max(loud)]
    assert edges == pytest.approx([0.0, 0.5, 1.5, 2.0], abs=0.04)


@pytest.mark.slow
def test_reel_of_several_videos_is_fitted_to_the_first(tmp_path: Path) -> None:
    first = with_sound(write_video(tmp_path / "a.mp4", marked(60)), tmp_path / "first.mp4", sound=(0.0, 2.0))
    options = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
    tall = write_video(tmp_path / "tall.webm", [solid((200, 30, 30), 96, 200)] * 30, rate=10, rotation=0, **options)
    turned = write_video(tmp_path / "turned.mp4", [solid((30, 200, 30), 96, 160)] * 30, rate=30, rotation=90)
    pieces = [
        Piece("", 1, "a", 1.0, 2.0, video=tall),
        Piece("", 2, "b", 0.5, 1.0),
        Piece("", 3, "c", 0, 1, video=turned),
    ]
    reel = cut_reel(first, [pieces[1], pieces[0], pieces[2]], tmp_path / "reel.mp4", has_chapters=True)
    assert reel.lengths_seconds == pytest.approx((0.52, 1.0, 1.0), abs=0.001)
    with av.open(str(reel.path)) as container:
        images = [one.to_ndarray(format="rgb24").astype(int) for one in container.decode(video=0)]
        assert len(images) == reel.num_frames == 13 + 10 + 30
        assert {image.shape for image in images} == {(96, 160, 3)}
    with av.open(str(reel.path)) as container:
        sound = [(float(one.pts * one.time_base), one.to_ndarray()) for one in container.decode(audio=0)]
    assert [number_of(image) for image in images[:13]] == list(range(12, 25))
    red, green = images[18], images[40]
    assert abs(red[48, 80] - (200, 30, 30)).max() < 12 and red[48, 5].max() < 20  # black beside a tall picture
    assert abs(green[48, 3] - (30, 200, 30)).max() < 12
    end = sound[-1][0] + sound[-1][1].shape[1] / 48_000
    loud = [time for time, block in sound if np.abs(block).max() > 0.05]
    assert end == pytest.approx(2.52, abs=0.05) and max(loud) < 0.55


@pytest.mark.slow
def test_nothing_is_left_of_a_reel_that_failed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", marked(50))
    with pytest.raises(VideoError) as error:
        cut_reel(path, [PIECES[1], Piece("", 0, "late", 50.0, 51.0)], tmp_path / "reel.mp4")
    assert error.value.key == "clip_behind_end" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(ConfigError) as empty:
        cut_reel(path, [], tmp_path / "reel.mp4")
    assert empty.value.key == "clip_reel_empty"


@pytest.mark.slow
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_subtitles_are_drawn_while_they_are_said(tmp_path: Path, rotation: int) -> None:
    grey = [solid((90, 90, 90), 320, 192)] * 50
    path = write_video(tmp_path / "film.mp4", grey, rotation=rotation)
    clip = cut_clip(
        path, 0.4, 2.0, tmp_path / "clip.mp4", cues=[Cue(0.8, 1.2, "看这里 look here"), Cue(0.0, 0.1, "no")]
    )
    with av.open(str(clip.path)) as container:
        images = [one.to_ndarray(format="gray").astype(int) for one in container.decode(video=0)]
    drawn = [place for place, image in enumerate(images) if image.max() > 200]
    assert drawn == list(range(10, 20))
    assert images[15].shape == ((320, 192) if rotation % 180 else (192, 320))  # upright
    rows = np.flatnonzero((images[15] > 200).any(axis=1))
    assert rows.min() > images[15].shape[0] * 0.75 and (images[15][rows] < 40).any()
    assert abs(np.median(images[15]) - np.median(images[5])) <= 1


def test_subtitles_need_the_exact_mode(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", marked(5))
    with pytest.raises(ConfigError) as error:
        cut_clip(path, 0.0, 0.1, tmp_path / "clip.mp4", mode="fast", cues=[Cue(0.0, 1.0, "x")])
    assert error.value.key == "clip_subtitles_fast"


# ---- edit lists


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize("name", ["list.txt", "list.llc", "list.json", "list.csv"])
def test_lists_are_read_as_they_are_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    video = tmp_path / "film.mp4"
    path.write_bytes(edit_list.write(PIECES, path, video, 0.5))
    found = edit_list.read(path, video, 0.5)
    assert not any(one.video for one in found)
    assert [(one.name, one.start_seconds, one.end_seconds) for one in found] == [
        ("at the gate", 3.0, 4.0),
        ("门口", 1.0, 2.0),
    ]


def test_lines_can_be_skipped_and_trimmed(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# film\n\n#0:01 0:02 left out\n 1:00.5  90   a  name \n2 3\n", encoding="utf-8-sig")
    assert [
        (one.name, one.start_seconds, one.end_seconds) for one in edit_list.read(path, tmp_path / "film.mp4", 0.0)
    ] == [
        ("a name", 60.5, 90.0),
        ("", 2.0, 3.0),
    ]


def test_lists_name_other_videos(tmp_path: Path) -> None:
    here, other = tmp_path / "film.mp4", tmp_path / "day 2" / "夜.mp4"
    path = tmp_path / "list.txt"
    path.write_text("1 2 a\nfile 'day 2/夜.mp4'\n3 4 b\nfile film.mp4\n5 6 c\nfile gone/film.mp4\n7 8 d\n", "utf-8")
    assert [one.video for one in edit_list.read(path, here, 0.0)] == [None, other, None, None]
    table = tmp_path / "list.csv"
    table.write_text('Start,End,Name,Video\n1,2,"a, b",\n\n3,4,c,day 2/夜.mp4\n', "utf-8")
    found = edit_list.read(table, here, 0.0)
    assert [(one.name, one.video) for one in found] == [("a, b", None), ("c", other)]
    again = tmp_path / "again.csv"
    again.write_bytes(edit_list.write(PIECES, again, other, 0.0))
    assert {one.video for one in edit_list.read(again, here, 0.0)} == {other}


def test_projects_of_losslesscut_are_read(tmp_path: Path) -> None:
    path = tmp_path / "list.llc"
    path.write_text("""// a comment
{
  version: 1,
  mediaFileName: 'it\\'s a "film".mp4',
  cutSegments: [
    {
      start: 1.25,
      end: 3,
      name: 'say "yes", it\\'s',
    },
    { end: 9.5, name: "b", tags: { a: 'x', }, },
  ],
}
""")
    assert [
        (one.name, one.start_seconds, one.end_seconds) for one in edit_list.read(path, tmp_path / "film.mp4", 0.0)
    ] == [
        ('say "yes", it\'s', 1.25, 3.0),
        ("b", 0.0, 9.5),
    ]


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("list.txt", "# nothing\n", "clip_list_empty"),
        ("list.txt", "1 2 good\n3 2 backwards", "clip_list_line"),
        ("list.txt", "1 2 good\nsoon", "clip_list_line"),
        ("list.csv", "start,end,name\n1,2,good\n3,2,backwards", "clip_list_line"),
        ("list.csv", "start,end\n", "clip_list_empty"),
        ("list.llc", "{cutSegments: [{start: 1}]}", "clip_list_line"),
        ("list.llc", "no project", "clip_list_no_project"),
        ("list.llc", "{cutSegments: []}", "clip_list_empty"),
        ("list.txt", "\udcff", "clip_list_unreadable"),
        ("none.txt", "", "clip_list_unreadable"),
    ],
)
def test_lists_that_are_wrong_are_refused(tmp_path: Path, name: str, text: str, key: str) -> None:
    path = tmp_path / name
    if name != "none.txt":
        path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as error:
        edit_list.read(path, tmp_path / "film.mp4", 0.0)
    assert error.value.key == key and all(error_text(error.value, language) for language in LANGUAGES)
