"""Names of subtitle files beside a video: which video they belong to, their languages, and what they contain.

Media servers and downloaders write languages, regions and flags in any order: film.en.forced.srt, film.SDH.eng.srt,
film.English - SDH.srt, film.zh-Hans.default.srt, film.[English].srt.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from framelens.core.files import name_key
from framelens.video.files import VIDEO_SUFFIXES

Extent = Literal["full", "hearing", "machine", "partial"]
"""What of the speech subtitles contain, best first: all, with sounds, as a machine heard it, a part."""

_NAMES = {
    "ar": "ara arabic العربية",
    "bg": "bul bulgarian български",
    "bn": "ben bengali",
    "ca": "cat catalan català",
    "cs": "ces cze czech čeština",
    "da": "dan danish dansk",
    "de": "deu ger german deutsch",
    "el": "ell gre greek ελληνικά",
    "en": "eng english 英文 英语 英語",
    "es": "spa spanish español castilian castellano latino ea",
    "et": "est estonian eesti",
    "eu": "eus baq basque",
    "fa": "fas per persian farsi فارسی",
    "fi": "fin finnish suomi",
    "fil": "filipino tagalog tl tgl",
    "fr": "fra fre french français 法语 法文",
    "gl": "glg galician",
    "he": "heb iw hebrew עברית",
    "hi": "hin hindi हिन्दी",
    "hr": "hrv croatian hrvatski",
    "hu": "hun hungarian magyar",
    "id": "ind in indonesian",
    "is": "isl ice icelandic",
    "it": "ita italian italiano",
    "ja": "jpn jp japanese 日本語 日语 日文",
    "ko": "kor kr korean 한국어 韩语 韩文",
    "lt": "lit lithuanian",
    "lv": "lav latvian",
    "ms": "msa may malay",
    "nb": "nob bokmål",
    "nl": "nld dut dutch nederlands",
    "no": "nor norwegian norsk",
    "pl": "pol polish polski",
    "pt": "por pob pb ptbr portuguese português",
    "ro": "ron rum romanian română",
    "ru": "rus russian русский 俄语",
    "sk": "slk slo slovak slovenčina",
    "sl": "slv slovenian slovenščina",
    "sr": "srp serbian српски",
    "sv": "swe swedish svenska",
    "ta": "tam tamil",
    "te": "tel telugu",
    "th": "tha thai ไทย",
    "tr": "tur turkish türkçe",
    "uk": "ukr ukrainian українська",
    "ur": "urd urdu",
    "vi": "vie vietnamese",
    "yue": "cantonese 粤语 粵語",
    "af": "afr afrikaans",
    "bs": "bos bosnian bosanski",
    "cy": "cym wel welsh cymraeg",
    "ga": "gle irish gaeilge",
    "hy": "hye arm armenian",
    "ka": "kat geo georgian",
    "kk": "kaz kazakh",
    "km": "khm khmer",
    "kn": "kan kannada",
    "lo": "lao",
    "mk": "mkd mac macedonian",
    "ml": "mal malayalam",
    "mr": "mar marathi",
    "my": "mya bur burmese",
    "sq": "sqi alb albanian shqip",
    "sw": "swa swahili",
    "zh": "zho chi cmn zhs zht zt zhe chs cht chn sc tc gb big5 chinese mandarin 中文 汉语 漢語 国语 國語 "
    "简中 繁中 简体 繁體 繁体 简体中文 繁體中文 繁体中文 简 繁 chinesesimplified chinesetraditional",
    "und": "mul mis",
}
"""ISO 639-1 codes with the codes of ISO 639-2, the codes of Bazarr (ea, pb, zt) and the names that files carry."""
_LANGUAGES = {name: code for code, names in _NAMES.items() for name in (code, *names.split())}
_SECOND = {"英": "en", "日": "ja", "韩": "ko", "韓": "ko", "法": "fr", "德": "de", "俄": "ru", "西": "es"}
"""Letters of the second language in names such as 简日 and 中英双语."""
_PAIRS = {
    **dict.fromkeys(("双语", "雙語", "双字", "bilingual"), ("zh", "en")),
    **dict.fromkeys(("jpsc", "jptc"), ("ja", "zh")),
    **dict.fromkeys(("scjp", "tcjp"), ("zh", "ja")),
    **{f"{own}{letter}": ("zh", code) for own in "中简繁簡" for letter, code in _SECOND.items()},
}
_QUALIFIERS = frozenset(
    (
        *("simplified", "traditional", "hans", "hant", "latn", "cyrl", "latin", "america", "american", "european"),
        *("brazilian", "brazil", "british", "canadian", "castilian", "orig", "original", "default", "full", "complete"),
        *("us", "uk", "gb", "hk", "tw", "cn", "br", "mx", "mo", "sg", "dialog", "dialogue", "normal", "text"),
        *("sub", "subs", "subtitle", "subtitles", "caption", "captions", "字幕", "默认", "完整", "dubtitle", "synced"),
        *("hong", "kong", "taiwan", "china", "canada", "mexico", "spain", "france", "embedded", "utf"),
        *("台湾", "台灣", "香港", "澳门", "澳門", "中国", "中國", "大陆", "大陸", "新加坡", "美国", "英国", "delay"),
        *("united", "states", "kingdom", "latinoamérica", "latinoamericano", "and", "with", "官方", "official"),
        *("srt", "ass", "vtt", "utf8", "tiny", "base", "small", "medium", "large", "turbo"),
    )
)
"""Words that say nothing about language or extent: scripts, regions, names of subtitles, and sizes of Whisper."""
_REGIONS = frozenset({"gb", "uk"})
"""Regions after a language that are names of another language by themselves: Chinese in GB, and Ukrainian."""
_NUMBERED = ("", "track", "v")
"""Words before a number that say nothing either: film.2.srt, film_track3_[eng]_DELAY 0ms.srt, film.v2.en.srt."""
_FLAGS: dict[str, Extent] = {
    **dict.fromkeys(("sdh", "cc", "hoh", "hearing", "impaired", "closed", "closedcaptions"), "hearing"),
    **dict.fromkeys(
        ("auto", "asr", "ai", "generated", "machine", "translated", "whisper", "subgen"),
        "machine",
    ),
    **dict.fromkeys(
        ("自动", "自动生成", "自動生成", "機翻", "机翻", "机器翻译"),
        "machine",
    ),
    **dict.fromkeys(
        (
            *("forced", "foreign", "signs", "songs", "sign", "lyrics", "karaoke", "commentary", "comments"),
            *("danmaku", "弹幕", "彈幕", "强制", "特效", "forzado", "forzati", "forcé", "forcés", "erzwungen"),
        ),
        "partial",
    ),
}
_HINDI_OR_HEARING = "hi"
_EXTENTS: tuple[Extent, ...] = ("full", "hearing", "machine", "partial")
_LONGEST_UNKNOWN = 10
"""Characters of the last word after a dot that may be unknown, as in film.en.fixed.srt."""
_BRACKETS = re.compile(r"[\[\](){}（）【】.,&+\s]+")
_ENDINGS = re.compile(r"(?:双语|雙語|双字|字幕|特效)+$")
_FORMAT = re.compile(r"\.f\d{1,4}(?:-\w{1,8})?$")
"""YouTube's number of a format, after which yt-dlp names pictures that weren't merged with their sound."""
_SEQUEL = re.compile(r"(?:[\s_-]+|[\s_-]*[(（])\d+(?![^\W_])")
"""A number that belongs to the title: "film 2.en.srt" is about film 2. After a dot it counts the subtitles."""
_NAMED_TRACK = re.compile(r"([a-z]{2,3})(?:-[a-z]{2,4})?-[\w-]{11}")
"""A language and YouTube's ID of a track with a name, as in film.en-eEY6OEpapPo.vtt."""
_SCRIPTS = {
    script: re.compile(rf"(?<![a-z])(?:{words})(?![a-z])|[{signs}]")
    for script, words, signs in (
        ("hant", "hant|cht|zht|zt|tc|tw|hk|mo|big5", "繁"),
        ("hans", "hans|chs|sc|cn|sg|gb", "简簡"),
    )
}
_JOINTS = re.compile(r"[-_]+")
_JOINT = re.compile(r"[\s._\[(（【-]")
"""What divides the words in the name of a video."""


@dataclass(frozen=True)
class NameTags:
    """Information in the name of a subtitle file, after the name of its video.

    Attributes:
        languages: ISO 639 codes, in order.
        extent: What of the speech the file contains.
        is_default: It is marked as the default, or its name says nothing.
    """

    languages: tuple[str, ...] = ()
    extent: Extent = "full"
    is_default: bool = False


@dataclass
class _Words:
    languages: list[str] = field(default_factory=list)
    extents: list[Extent] = field(default_factory=list)
    is_default: bool = False
    has_hi: bool = False

    def add(self, word: str) -> bool:
        """Add a word; return whether it is known."""
        self.is_default |= word in ("default", "默认")
        if word == _HINDI_OR_HEARING:
            self.has_hi = True
        elif self.languages and word in _REGIONS:
            return True
        elif flag := _FLAGS.get(word) or _FLAGS.get(_ENDINGS.sub("", word)):
            self.extents.append(flag)
        elif pair := _PAIRS.get(_ENDINGS.sub("", word) or word.removesuffix("字幕")):
            self.languages += pair
        elif code := _LANGUAGES.get(_ENDINGS.sub("", word)):
            self.languages.append(code)
        else:
            return word in _QUALIFIERS or word.removesuffix("ms").rstrip("0123456789") in _NUMBERED
        return True


def language_code(tag: str) -> str:
    """Return the ISO 639 code of a language tag such as "zh-Hans", "eng" or "English"; "" if it is unknown."""
    return _LANGUAGES.get(name_key(tag).replace("_", "-").partition("-")[0], "")


def written_languages(languages: Sequence[str], name: str) -> tuple[str, ...]:
    """Return language codes with the script of Chinese, "zh-hant" or "zh-hans", where a name says it.

    >>> written_languages(("zh", "en"), "film.zh-HK.en.srt"), written_languages(("zh",), "film.zh.srt")
    (('zh-hant', 'en'), ('zh',))
    """
    scripts = [script for script, pattern in _SCRIPTS.items() if pattern.search(name_key(name))]
    chinese = f"zh-{scripts[0]}" if len(scripts) == 1 else "zh"
    return tuple(chinese if language == "zh" else language for language in languages)


def tags_of(stem: str, video_stem: str) -> NameTags | None:
    """Return the tags in a subtitle file's stem, or None if it belongs to another video.

    >>> tags_of("film.English - SDH", "film")
    NameTags(languages=('en',), extent='hearing', is_default=False)
    >>> tags_of("film 2.en", "film") is None
    True
    >>> tags_of("film.en", "film.f137")
    NameTags(languages=('en',), extent='full', is_default=False)
    """
    tags = _tags_after(stem, video_stem)
    return _tags_after(stem, _FORMAT.sub("", video_stem)) if tags is None else tags


def _tags_after(stem: str, video_stem: str) -> NameTags | None:
    """Return the tags that follow the stem of a video, or None if others follow."""
    name, video = name_key(stem), name_key(video_stem)
    if name == video:
        return NameTags(is_default=True)
    if not name.startswith(video) or name[len(video)].isalnum():
        return None
    rest = name[len(video) :]
    if _SEQUEL.match(rest):
        return None
    ending, _, others = rest[1:].partition(".")
    if rest[0] == "." and f".{ending}" in VIDEO_SUFFIXES:
        if not others:
            return NameTags(is_default=True)
        rest = f".{others}"
    if not (tags := parse_tags(rest)) and rest[0] == ".":
        head, _, last = rest[1:].rpartition(".")  # an unknown word before the language is about another video
        if 0 < len(last) <= _LONGEST_UNKNOWN:
            return parse_tags(head) if head else NameTags()
    return tags


def may_belong_to(stem: str, video_stem: str) -> bool:
    """Return whether a file's name begins with the video's name, as a second part's does."""
    name, video = name_key(stem), name_key(video_stem)
    return name.startswith(video) and not name[len(video) :][:1].isalnum()


def beginning_of(video_stem: str, stem: str) -> str:
    """Return the words with which a video's name begins and of which a subtitle file has the tags, "" without any.

    >>> beginning_of("film - 1080p", "film.en"), beginning_of("film", "film 2")
    ('film', '')
    """
    video = name_key(video_stem)
    starts = (video[: match.start()].rstrip(" -_.") for match in _JOINT.finditer(video))
    return next((start for start in starts if start and tags_of(stem, start) is not None), "")


def parse_tags(text: str) -> NameTags | None:
    """Return the languages and flags in part of a file's name, None if a word is unknown or all say nothing."""
    words = _Words()
    for chunk in filter(None, _BRACKETS.split(name_key(text))):
        if not _add(words, chunk.strip("-_+&")):
            return None
    if words.has_hi and not words.languages:
        words.languages.append("hi")
    elif words.has_hi:
        words.extents.append("hearing")
    if not (words.languages or words.extents or words.is_default):
        return None
    extent: Extent = max(words.extents, key=_EXTENTS.index) if words.extents else "full"
    return NameTags(tuple(dict.fromkeys(words.languages)), extent, words.is_default)


def _add(words: _Words, chunk: str) -> bool:
    """Add a chunk: a tag such as zh-Hans-en, whose first part is the language, or words joined by hyphens."""
    if words.add(chunk):
        return True
    if (track := _NAMED_TRACK.fullmatch(chunk)) and track[1] in _LANGUAGES:
        words.languages.append(_LANGUAGES[track[1]])
        return True
    first, *others = _JOINTS.split(chunk)
    if others and first in _LANGUAGES and all(_is_subtag(other) for other in others):
        words.languages.append(_LANGUAGES[first])
        words.extents += [_FLAGS[other] for other in others if other in _FLAGS]
        return True
    return bool(others) and all(words.add(part) for part in (first, *others))


def _is_subtag(text: str) -> bool:
    """Return whether the text can be a script, region or the source of a translation in a language tag."""
    return (
        text in _QUALIFIERS
        or text in _FLAGS
        or (text.isdecimal() and len(text) == 3)
        or (len(text) == 2 and text.isalpha())
    )
