"""TTML, and what YouTube and Whisper write: right times, each word once, and what can't be read is named."""

from pathlib import Path

import pytest

from framelens.core.domain import Cue
from framelens.plugins.captions.forms import forms
from framelens.video.extractor import subtitles_of
from framelens.video.subtitles.cues import Timed, Unread
from framelens.video.subtitles.discovery import check_subtitle_file
from framelens.video.subtitles.formats import PLUGIN_FORMS, READERS, reader_of
from tests.spoken import tone, write_spoken

FORMS = forms()


def read(suffix: str, text: str) -> list[Timed | Unread]:
    return list(FORMS.readers[suffix](text, 0.0, ()))


def test_every_form_that_is_known_is_read() -> None:
    assert FORMS.readers.keys() == PLUGIN_FORMS


def test_form_is_known_by_contents_not_by_ending() -> None:
    text = '<?xml version="1.0"?>\n<tt><body><p begin="1s" end="2s">Words</p></body></tt>'
    for ending in (*READERS, *PLUGIN_FORMS):
        assert list(reader_of(ending, text, (), FORMS)(text, 25.0)) == [(1.0, 2.0, "Words")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("film.ttml", "<tt><body>", "subtitles_cut_off"),
        ("film.json3", "[]", "subtitles_unreadable"),
        ("film.json", '{"text": "Hello"}', "subtitles_unreadable"),
    ],
)
def test_file_that_gives_nothing_is_named(tmp_path: Path, name: str, text: str, key: str) -> None:
    video = write_spoken(tmp_path / "film.mp4", seconds=0.5)
    (tmp_path / name).write_text(text)
    transcript, notices = subtitles_of(video, "en")
    assert transcript is None and [(notice.key, notice.values["name"]) for notice in notices] == [(key, name)]


def test_ttml_has_times_of_every_kind() -> None:
    spaces = 'xmlns="http://www.w3.org/ns/ttml" xmlns:t="http://www.w3.org/ns/ttml#parameter"'
    head = f'<tt {spaces} t:frameRate="25" t:tickRate="100">'
    body = (
        '<p begin="00:00:01.500" end="00:00:02.500">one<br/>two</p><p begin="3s" dur="500ms">three</p>'
        '<p begin="00:00:04:05" end="5.2s"><span>f</span>our</p><p begin="600t" end="700t">five</p>'
    )
    text = f'{head}<body begin="10s"><div>{body}</div></body></tt>'
    expected = [(11.5, 12.5, "one two"), (13.0, 13.5, "three"), (14.2, 15.2, "four"), (16.0, 17.0, "five")]
    assert [(round(a, 3), round(b, 3), c) for a, b, c in map(tuple, read(".ttml", text))] == expected  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        read(".ttml", "<html/>")


def test_parts_of_ttml_in_turn_follow_each_other() -> None:
    text = (
        '<tt xmlns="http://www.w3.org/ns/ttml"><body begin="10s"><div timeContainer="seq"><p dur="1s">one</p>'
        '<p begin="0.5s" dur="1s">two</p><p><span begin="0s" end="2s">three</span></p><p dur="1s">four</p></div>'
        '<div><p begin="1s" end="2s">beside</p></div></body></tt>'
    )
    expected = [(10, 11, "one"), (11.5, 12.5, "two"), (12.5, 14.5, "three"), (14.5, 15.5, "four"), (11, 12, "beside")]
    assert read(".ttml", text) == expected


def in_ttml(body: str, parameters: str = "") -> list[Timed | Unread]:
    return read(".ttml", f'<tt xmlns:t="p" {parameters}><body><div>{body}</div></body></tt>')


def test_ttml_parts_parents_and_phrases_give_cues() -> None:
    # Ttml parts and parents give times.
    spans = '<p><span begin="1s" end="2s">one</span><span begin="3s" dur="1s">two</span></p>'
    assert in_ttml(spans) == [(1.0, 2.0, "one"), (3.0, 4.0, "two")]
    assert read(".ttml", '<tt><body><div begin="1s" end="2s"><p>one</p></div></body></tt>') == [(1.0, 2.0, "one")]
    # Phrases in another language stay.
    one = '<p begin="1s" end="2s">She said</p><p xml:lang="fr" begin="3s" end="4s">bonjour</p>'
    body = f'{one}<p begin="5s" end="6s">to him</p>'
    assert in_ttml(body, 'xml:lang="en"') == [(1.0, 2.0, "She said"), (3.0, 4.0, "bonjour"), (5.0, 6.0, "to him")]
    # Declared encoding of decoded xml does not count.
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><tt><body><p begin="1s" end="2s">déjà 你好</p></body></tt>'
    assert read(".ttml", text) == [(1.0, 2.0, "déjà 你好")]


def test_ttml_has_its_own_clock() -> None:
    # Ttml parameters change the meaning of times.
    assert in_ttml('<p begin="25t" end="50t">one</p>', 't:frameRate="25"') == [(1.0, 2.0, "one")]
    ntsc = 't:timeBase="smpte" t:frameRate="30" t:frameRateMultiplier="1000 1001"'
    body = '<p begin="01:00:00:00" end="01:00:01:00">one</p>'
    starts = [in_ttml(body, one)[0] for one in (ntsc, f'{ntsc} t:dropMode="dropNTSC"')]
    assert [one[0] for one in starts if isinstance(one, tuple)] == pytest.approx([3603.6, 3599.9964])
    # Ttml of a broadcast begins with its programme.
    head = "<head><metadata><documentStartOfProgramme>10:00:00:00</documentStartOfProgramme></metadata></head>"
    body = '<body><div><p begin="10:00:01:00" end="10:00:02:05">one</p></div></body>'
    text = f'<tt xmlns:t="p" t:timeBase="smpte" t:frameRate="25">{head}{body}</tt>'
    assert read(".ttml", text) == [(pytest.approx(1.0), pytest.approx(2.2), "one")]


@pytest.mark.parametrize(("written", "shown"), [("A&nbsp;B", "A B"), ("A & B", "A & B"), ("A &amp; &eacute;", "A & é")])
def test_ttml_with_entities_of_html_is_read(written: str, shown: str) -> None:
    text = f'<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="1.5" end="0:02">{written}</p></div></body></tt>'
    assert read(".ttml", text) == [(1.5, 2.0, shown)]


@pytest.mark.parametrize(
    ("body", "given", "cues"),
    [
        (
            '<p begin="1s" end="9s"><span begin="0s" end="1s">one two</span><span begin="2s" dur="1s">three</span></p>',
            "",
            [(1.0, 2.0, "one two"), (3.0, 4.0, "three")],
        ),
        (
            '<p begin="1s" timeContainer="seq"><span dur="1s">one two</span><span dur="2s">three</span></p>',
            "",
            [(1.0, 2.0, "one two"), (2.0, 4.0, "three")],
        ),
        (
            '<p begin="1s" timeContainer="seq"><span dur="1s">sung </span><span dur="2s">words</span></p>',
            "",
            [(1.0, 4.0, "sung words")],
        ),
        ('<p begin="1s" end="9s"><span begin="1s" end="2s">one</span></p>', "", [(2.0, 3.0, "one")]),
        ('<p begin="1s" end="9s" dur="1s">one</p>', "", [(1.0, 2.0, "one")]),
        ('<div end="3s"><p begin="1s" end="9s">one</p></div>', "", [(1.0, 3.0, "one")]),
        ('<p begin="1s" end="2s" tts:display="none">no</p><p begin="3s" end="4s">yes</p>', "", [(3.0, 4.0, "yes")]),
        ('<p begin="48t" end="96t">one</p>', 'ttp:frameRate="24" ttp:subFrameRate="2"', [(1.0, 2.0, "one")]),
        (
            '<p begin="00:00:01:12.1" end="00:00:02">one</p>',
            'ttp:frameRate="25" ttp:subFrameRate="2"',
            [(1.5, 2.0, "one")],
        ),
    ],
)
def test_ttml_shows_parts_when_they_say(body: str, given: str, cues: list[Timed]) -> None:
    names = 'xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"'
    text = f'<tt {names} xmlns:tts="http://www.w3.org/ns/ttml#styling" {given}><body>{body}</body></tt>'
    assert read(".ttml", text) == cues


@pytest.mark.parametrize(
    ("mode", "last", "frames"), [("dropPAL", "00:04:02:00", 7252), ("dropNTSC", "00:04:02;00", 7252)]
)
def test_ttml_drops_numbers_as_it_says(mode: str, last: str, frames: int) -> None:
    given = f't:timeBase="smpte" t:frameRate="30" t:frameRateMultiplier="1000 1001" t:dropMode="{mode}"'
    found = in_ttml(f'<p begin="00:00:01:00" end="{last}">one</p>', given)
    assert found == [(pytest.approx(1.001), pytest.approx(frames * 1001 / 30000), "one")]


def test_ttml_that_is_cut_off_is_read_up_to_there() -> None:
    text = '<tt xmlns="http://www.w3.org/ns/ttml"><body>\n<p begin="1s" end="2s">one</p>\n<p begin="3s" end="4s">tw'
    assert [one for one in read(".ttml", text) if isinstance(one, Unread) or one[2]] == [
        *(Unread(3, '<p begin="3s" end="4s">tw', ends=True), (1.0, 2.0, "one"))
    ]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (
            ".json3",
            '{"wireMagic": "pb3", "events": [{"tStartMs": 0, "dDurationMs": 9000, "id": 1}, {"tStartMs": 1000,'
            ' "dDurationMs": 4000, "segs": [{"utf8": "hello"}, {"utf8": " it\'s", "tOffsetMs": 300}]},'
            ' {"tStartMs": 3000, "dDurationMs": 2000, "aAppend": 1, "segs": [{"utf8": "\\n"}]},'
            ' {"tStartMs": 3000, "dDurationMs": 2500, "segs": [{"utf8": "there"}]}]}',
        ),
        (
            ".srv3",
            '<?xml version="1.0" encoding="utf-8" ?><timedtext format="3"><head><ws id="0"/></head><body>'
            '<p t="1000" d="4000" w="1"><s>hello</s><s t="300"> it&#39;s</s></p><p t="3000" d="2000" w="1" a="1">\n</p>'
            '<p t="3000" d="2500" w="1"><s>there</s></p></body></timedtext>',
        ),
        (
            ".srv2",
            '<timedtext><window id="1"/><text t="1000" d="4000" w="1">hello it&#39;s</text>'
            '<text t="3000" d="2000" w="1" append="1">\n</text><text t="3000" d="2500" w="1">there</text></timedtext>',
        ),
        (
            ".srv1",
            '<?xml version="1.0"?><transcript><text start="1" dur="2">hello it&amp;#39;s</text>'
            '<text start="3" dur="2.5">there</text></transcript>',
        ),
    ],
)
def test_captions_of_youtube_are_read_in_all_forms(suffix: str, text: str) -> None:
    assert (
        read(suffix, text)
        == list(reader_of(".xml", text, (), FORMS)(text, 0.0))
        == [(1.0, 3.0, "hello it's"), (3.0, 5.5, "there")]
    )


def test_agents_of_ttml_name_who_speaks() -> None:
    agents = "".join(
        f'<ttm:agent xml:id="{key}"><ttm:name>{name}</ttm:name></ttm:agent>'
        for key, name in (("a", "Ann Lee"), ("b", "Bo"))
    )
    text = (
        '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata"><head><metadata>'
        f'{agents}</metadata></head><body><div ttm:agent="a"><p begin="1s" end="2s">Hello</p>'
        '<p begin="2s" end="3s" ttm:agent="b">Hi <span>you</span></p><p begin="3s" end="4s" ttm:agent="">'
        '<span ttm:agent="a">Yes.</span><br/><span ttm:agent="b">No.</span></p></div></body></tt>'
    )
    assert [found[2] for found in read(".ttml", text) if not isinstance(found, Unread)] == [
        "Ann Lee: Hello",
        "Bo: Hi you",
        "Ann Lee: Yes. Bo: No.",
    ]


TRANSLATED = (
    '<p xml:lang="en-US" begin="1s" end="2s">Hello</p><p xml:lang="zh-Hans" begin="1s" end="2s">你好</p>'
    '<p xml:lang="en-US" begin="3s" end="4s">Bye</p><p xml:lang="zh-Hans" begin="3.1s" end="4s">再见</p>'
)


def test_one_of_two_languages_is_read() -> None:
    text = f"<tt><body><div>{TRANSLATED}</div></body></tt>"
    english, chinese = [(1.0, 2.0, "Hello"), (3.0, 4.0, "Bye")], [(1.0, 2.0, "你好"), (3.1, 4.0, "再见")]
    for languages, cues in (({"en"}, english), ({"zh", "yue"}, chinese), ({"fr"}, english)):
        assert list(reader_of("", text, languages, FORMS)(text, 0.0)) == cues


def test_pronunciation_beside_characters_is_no_text() -> None:
    ruby = '<span s:ruby="container"><span s:ruby="base">漢字</span><span s:ruby="text">かんじ</span></span>'
    assert read(".ttml", f'<tt xmlns:s="s"><p begin="1s" end="2s">{ruby}です</p></tt>') == [(1.0, 2.0, "漢字です")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "film.en.xml",
            '<?xml version="1.0"?>\n<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="en"><body><div>'
            '<p begin="0.5s" end="1.5s">Hello</p><p begin="2s" end="3s">there</p></div></body></tt>',
        ),
        ("film.tsv", "start\tend\ttext\n500\t1500\tHello\n2000\t3000\tthere\n"),
        (
            "film.json",
            '{"text": " Hello there", "segments": [{"id": 0, "start": 0.5, "end": 1.5, "text": " Hello"},'
            ' {"id": 1, "start": 2.0, "end": 3.0, "text": " there"}], "language": "en"}',
        ),
        (
            "film.json",
            '{"systeminfo": "x", "model": {"type": "base"}, "transcription": [{"timestamps": {}, "offsets":'
            ' {"from": 500, "to": 1500}, "text": " Hello"},'
            ' {"offsets": {"from": 2000, "to": 3000}, "text": " there"}]}',
        ),
        (
            "film.mp4.json",
            '{"chunks": [{"timestamp": [0.5, 1.5], "text": " Hello"}, {"timestamp": [2.0, 3.0], "text": " there"}]}',
        ),
    ],
)
def test_an_ending_of_many_forms_is_read_by_its_beginning(tmp_path: Path, name: str, text: str) -> None:
    path = write_spoken(tmp_path / "film.mp4", seconds=4)
    (tmp_path / name).write_text(text)
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues == (Cue(0.5, 1.5, "Hello"), Cue(2.0, 3.0, "there"))
    assert notices == () and check_subtitle_file(tmp_path / name) == tmp_path / name


SCC = "Scenarist_SCC V1.0\n\n01:00:01{sign}00\t9420 9420 9470 9470 c8e9 942f\n\n01:00:02{sign}00\t942c 942c\n"


@pytest.mark.slow
@pytest.mark.parametrize("sign", [":", ";"])
def test_times_of_a_programme_count_from_its_start(tmp_path: Path, sign: str) -> None:
    path = write_spoken(tmp_path / "film.mkv", sound=tone(3))
    (tmp_path / "film.scc").write_text(SCC.format(sign=sign))
    transcript, notices = subtitles_of(path, "en")
    assert transcript is not None and transcript.cues[0].start_seconds == pytest.approx(1.001 * (1 + 5 / 30), abs=0.005)
    assert [notice.key for notice in notices] == ["subtitles_from_programme"]
