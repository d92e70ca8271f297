"""Names of subtitle files as media servers and downloaders write them."""

import unicodedata
from pathlib import Path

import pytest

from framelens.core.domain import Language
from framelens.video.subtitles.discovery import digest_beside, files_beside, ranked
from framelens.video.subtitles.names import NameTags, language_code, tags_of

FILM = "Movie (2021)"


@pytest.mark.parametrize(
    ("rest", "languages", "extent"),
    [
        ("", (), "full"),
        (".en", ("en",), "full"),
        (".eng", ("en",), "full"),
        (".en-US.cc", ("en",), "hearing"),
        (".en.hi", ("en",), "hearing"),
        (".hi.en", ("en",), "hearing"),
        (".hi", ("hi",), "full"),
        (".en.sdh", ("en",), "hearing"),
        (".sdh.en", ("en",), "hearing"),
        (".en.forced", ("en",), "partial"),
        (".forced.en", ("en",), "partial"),
        (".foreign.eng.default", ("en",), "partial"),
        (".English - SDH", ("en",), "hearing"),
        (" [English]", ("en",), "full"),
        (".Chinese (Simplified)", ("zh",), "full"),
        (".zh-Hans.default", ("zh",), "full"),
        (".zh_CN", ("zh",), "full"),
        (".chs", ("zh",), "full"),
        (".简体中文", ("zh",), "full"),
        (".chs&eng", ("zh", "en"), "full"),
        (".Chinese Simplified with English.chi.default", ("zh", "en"), "full"),
        (".sc&jp", ("zh", "ja"), "full"),
        (".JPSC", ("ja", "zh"), "full"),
        (".简体中文&英文", ("zh", "en"), "full"),
        (".简英双语", ("zh", "en"), "full"),
        (".中英双字", ("zh", "en"), "full"),
        (".自动生成", (), "machine"),
        (".zh-Hans.AI字幕", ("zh",), "machine"),
        (".en.GB", ("en",), "full"),
        (".gb", ("zh",), "full"),
        (".uk", ("uk",), "full"),
        (".English (United States)", ("en",), "full"),
        (".es-ES.forzado", ("es",), "partial"),
        (".mp4", (), "full"),
        (".mkv.en.sdh", ("en",), "hearing"),
        (".繁日雙語", ("zh", "ja"), "full"),
        (".中英字幕", ("zh", "en"), "full"),
        (".中文（简体）", ("zh",), "full"),
        (".简体中文（自动）", ("zh",), "machine"),
        (".ai-zh", ("zh",), "machine"),
        (".zh-Hans-ai", ("zh",), "machine"),
        (".subgen.medium.eng", ("en",), "machine"),
        (".danmaku", (), "partial"),
        (".en.utf8", ("en",), "full"),
        (".简英", ("zh", "en"), "full"),
        (".zh-Hans-en", ("zh",), "full"),
        (".en-orig", ("en",), "full"),
        (".pt-BR", ("pt",), "full"),
        (".es-419", ("es",), "full"),
        (".German.Forced", ("de",), "partial"),
        (".en.2", ("en",), "full"),
        (".v2", (), "full"),
        (".en.v2", ("en",), "full"),
        (".v2.en", ("en",), "full"),
        (".rus.NewStudio", ("ru",), "full"),
        (".en.forced.fixed", ("en",), "partial"),
        (".en-eEY6OEpapPo", ("en",), "full"),
        (".en-US-uYU-mmqFLq8", ("en",), "full"),
        ("_track3_[eng]", ("en",), "full"),
        (".Chinese (Hong Kong)", ("zh",), "full"),
        (".日本語字幕", ("ja",), "full"),
        (".English.embedded.1", ("en",), "full"),
        (".en.utf-8", ("en",), "full"),
        ("_eng", ("en",), "full"),
        (".en.auto", ("en",), "machine"),
        (".zt", ("zh",), "full"),
        (".pb.hi", ("pt",), "hearing"),
        (".ea.forced", ("es",), "partial"),
        (".双语字幕", ("zh", "en"), "full"),
        (".中文（繁體, 台灣）", ("zh",), "full"),
        (".en.closed-captions", ("en",), "hearing"),
        ("_track3_[eng]_DELAY -21ms", ("en",), "full"),
    ],
)
def test_languages_and_flags_are_read_in_any_order(rest: str, languages: tuple[str, ...], extent: str) -> None:
    found = tags_of(FILM + rest, FILM)
    assert found and (found.languages, found.extent) == (languages, extent)


@pytest.mark.parametrize(
    "rest",
    [" 2", "2", " 2.en", "_2.en", " (2).en", " - 2.zh.forced", " Part 2.en", ".Trailer.en", ".S01E01.en", "s.en"],
)
def test_name_of_another_video_is_not_taken(rest: str) -> None:
    assert tags_of(FILM + rest, FILM) is None


def test_case_and_composition_of_letters_do_not_matter() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Café é") for form in ("NFC", "NFD"))
    assert tags_of(f"{decomposed}.EN", composed) == NameTags(("en",))
    assert tags_of(f"{composed.upper()}.Forced", decomposed) == NameTags((), "partial")


def test_sound_and_longer_names_have_their_subtitles(tmp_path: Path) -> None:
    # Pictures without their sound have subtitles.
    assert tags_of("film [id].en", "film [id].f137") == NameTags(("en",))
    assert tags_of("film [id].f137.en", "film [id].f137") == NameTags(("en",))
    assert tags_of("film.S01E02.en", "film.f137") is None
    # Subtitles of a longer named video are its own.
    touch(tmp_path, "a.mp4", "a.b.mp4", "a.b.srt", "a 2.srt")
    assert labels(tmp_path / "a.mp4") == []
    assert [one.label for one in files_beside(tmp_path / "a.mp4") if one.is_doubtful] == ["a 2.srt"]
    assert labels(tmp_path / "a.b.mp4") == ["a.b.srt"]


def test_default_flag_and_codes() -> None:
    assert tags_of("film.zh-Hans.default", "film") == NameTags(("zh",), "full", is_default=True)
    assert [language_code(tag) for tag in ("zh-Hant-HK", "chi", "pob", "English", "xx")] == ["zh", "zh", "pt", "en", ""]


def labels(video: Path, language: Language = "en") -> list[str]:
    return [one.label for one in ranked([one for one in files_beside(video) if one.is_used], language)]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_whole_speech_in_the_language_comes_first(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "a.en.forced.srt", "a.en.sdh.srt", "a.de.srt", "a.en.srt", "a.zh.default.srt")
    assert labels(tmp_path / "a.mp4") == ["a.en.srt", "a.en.sdh.srt", "a.zh.default.srt", "a.de.srt", "a.en.forced.srt"]
    assert labels(tmp_path / "a.mp4", "zh")[0] == "a.zh.default.srt"


def test_folders_of_subtitles_are_looked_into(tmp_path: Path) -> None:
    touch(tmp_path, "one/a.mp4", "one/Subs/2_English.srt", "two/a.mp4", "two/b.mp4", "two/subs/a.en.srt")
    touch(tmp_path, "two/subs/2_English.srt", "two/subs/b/3_English.srt", "two/Subtitles/a/4_German.srt")
    assert labels(tmp_path / "one" / "a.mp4") == ["2_English.srt"]
    assert sorted(labels(tmp_path / "two" / "a.mp4")) == ["4_German.srt", "a.en.srt"]
    assert labels(tmp_path / "two" / "b.mp4") == ["3_English.srt"]


def test_digest_depends_on_the_contents_that_are_used(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.touch()
    seen = {digest_beside(video)}
    for name, text in (("a.srt", "one"), ("a.srt", "two"), ("a.en.srt", "two"), ("a 2.srt", "other")):
        (tmp_path / name).write_text(text)
        seen.add(digest_beside(video))
    assert len(seen) == 4
    (tmp_path / "other").mkdir()
    for one in ("a.mp4", "a.srt", "a.en.srt"):
        (tmp_path / "other" / one.replace("a", "b", 1)).write_bytes((tmp_path / one).read_bytes())
    assert digest_beside(tmp_path / "other" / "b.mp4") == digest_beside(video)


def test_names_shorter_than_the_video_are_doubtful(tmp_path: Path) -> None:
    """As of media servers that keep a film in several versions."""
    touch(tmp_path, "film - 1080p.mp4", "film.zh-Hans.srt", "fil.srt", "other.srt")
    assert [one.label for one in files_beside(tmp_path / "film - 1080p.mp4") if one.is_doubtful] == ["film.zh-Hans.srt"]
    touch(tmp_path, "film.mp4")
    assert not list(files_beside(tmp_path / "film - 1080p.mp4"))
