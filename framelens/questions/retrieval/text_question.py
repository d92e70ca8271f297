"""Question that text on the screen or speech may answer without a model: where to look, and for which words."""

import re
from dataclasses import dataclass
from typing import Literal

from framelens.questions.retrieval.openings import kind_by_opening, opening_of, parts_in_words
from framelens.questions.retrieval.values import SEARCHED
from framelens.questions.retrieval.written_times import without_times

Source = Literal["screen", "speech"]
_QUOTED = re.compile(
    r"(?<!\w)(?:\"([^\"]{1,80})\"|'([^']{1,80})'|‘([^’]{1,80})’|\*{1,2}([^*]{1,80})\*{1,2}|`([^`]{1,80})`"
    r"|_([^_]{1,80})_)(?!\w)"
    r"|“([^”]{1,80})”|„([^“”]{1,80})[“”]|«([^»]{1,80})»|‹([^›]{1,80})›|「([^」]{1,80})」|『([^』]{1,80})』"
    r"|《([^》]{1,80})》|＂([^＂]{1,80})＂|(?<=[\u4e00-\u9fff])[\"”]([^\"“”]{1,80})[\"“”]"
)
_PLACES = (
    r"(?:screens?|slides?|signs?|boards?|whiteboards?|blackboards?|titles?|captions?|headlines?|banners?|labels?"
    r"|posters?|displays?|terminals?|editors?|documents?|pages?|menus?|plates?|shirts?|notes?|texts?)"
)
_ON_SCREEN = re.compile(
    rf"\b(?:on|in|at|across|by)\s+(?:the|this|that|a|an|any|which|his|her)?\s*(?:[\w-]+\s+)?{_PLACES}\b"
    r"|\bon[- ]?screen\b"
    r"|(?:在|从)?(?:屏幕|画面|幻灯片|页面|黑板|白板|标题|字幕|招牌|牌子)(?:的?(?:上|里|中|内))?(?:面|方)?",
    re.IGNORECASE,
)
_NAMES_TEXT = re.compile(
    r"\b(?:words?|texts?|phrases?|terms?|captions?|titles?|headings?|headlines?|formulas?|letters|strings?|sentences?)\b"
    r"|\b(?:written|reads?|printed|typed|spell(?:ed|t)?|stand(?:s)? written)\b|\bsays?\b"
    r"|字样|写|文字|字眼|单词|[一这那]个?词|词语|标题|显示",
    re.IGNORECASE,
)
_SUBJECT_READS = re.compile(
    rf"\b(?:{_PLACES}|it|this|that)\s+(?:ever |first |also )*says?\b"
    rf"|\b(?:do|does|did)\s+(?:the|this|that|his|her)\s+(?:\w+\s+)?{_PLACES}\b.*\bsays?\b",
    re.IGNORECASE,
)
_SPOKEN = re.compile(
    r"\b(?:says?|said|saying|mention\w*|announce\w*|narrat\w+|spoken|lyrics|hears?|heard|talk\w* about)\b"
    r"|说(?:了|过|的是?)?(?:什么|啥|些什么|到)|提到|[说讲提谈]过|讲到|谈(?:到|论)|听到|台词|解说|旁白|歌词",
    re.IGNORECASE,
)
_SAYS_HAN = re.compile(r"[说讲念喊叫]\s*[“\"「『‘']|[说讲提念谈]了(?![什啥哪])")
_AFTER_NAME = re.compile(r"\bthe (?:word|phrase|term|text)s?\s+(?P<words>\S.*)$|(?P<han>(?!))", re.IGNORECASE)
_OBJECT = re.compile(
    r"\b(?:sign|label|poster|banner|plate|shirt|board|note|book|box|bottle|door|building|car|truck|bus)s?\b|牌|海报|横幅|标语|衣|瓶|盒|门",
    re.IGNORECASE,
)
_SUBTITLES = re.compile(r"\bsubtitles?\b|字幕", re.IGNORECASE)
_SAYS = re.compile(
    r"\b(?:say|says|said|saying|mention(?:s|ed|ing)?|hears?|heard|utters?|(?:talk|speak|spoke)(?:s|ed|ing)?\s+(?:about|of)"
    r"|uses?\s+the\s+(?:word|term))\s+(?P<words>.+)$"
    r"|(?:说|讲|提|谈|念|聊|听)(?:到|起|及|出|过|了|的是?)*(?:关于)?(?P<han>[^\s？?，,。]+)",
    re.IGNORECASE,
)
_SCREEN_SAYS = re.compile(
    r"\b(?:say|says|read|reads)\s+(?P<words>.+)$|写[着到了]*(?P<han>[^\s？?，,。]+)", re.IGNORECASE
)
_ASKS_FOR = re.compile(
    r"^\W*(?:please |can you |could you )?(?:(?:tell|show|find|list|give)(?: me)? )?(?:exactly )?"
    r"(?:(?:when(?:, if ever,)?|where|how often|how many times|how long|since when|until when"
    r"|(?:at|in|during|on) (?:what|which) (?:time|point|moment|second|minute)s?)\b)?\s*"
    r"(?:exactly |in the (?:video|film|clip) )*"
    r"(?:(?:do|does|did|is|are|was|were|has|have|can|could|will)\b\s*(?:(?:i|we|you|one) (?:see|read|hear)\b)?)?\s*"
    r"(?P<words>.*?)\s*"
    r"\b(?:(?:can|could|first|ever|also|actually|last|be|been|is|are|get|gets)\s+)*"
    r"(?:stand(?:s)?|stood|appear(?:s|ed)?|come(?:s)? up|came up|show(?:s)? up|shown|visible|written|displayed|printed"
    r"|read|occurs?|seen|disappears?|vanish(?:es)?|goes away|said|mentioned|spoken|heard|on (?:the )?screen"
    r"|on (?:the|a|any) \w+)\b",
    re.IGNORECASE,
)
_IS_NAMED = re.compile(
    r"^(?:the\s+)?(?:(?:exact\s+)?(?:words?|texts?|phrases?|terms?|names?|titles?|headings?|headlines?|captions?|formulas?"
    r"|strings?|sentences?|numbers?|lines?)\s+|about\s+|of\s+)+(?=\S)",
    re.IGNORECASE,
)
_DETERMINED = re.compile(
    r"^(?:the|an?|his|her|their|its|my|your|our|this|that|these|those|some|any|every|he|she|it|they|we|you|i|there"
    r"|some(?:one|body|thing)|any(?:one|body|thing)|people)\b",
    re.IGNORECASE,
)
_NO_WORDS = re.compile(
    r"^(?:what|why|how|that|who|whom|when|where|which|whether|if|something|anything|it|this|so|to)\b"
    r"|什么|啥|怎|哪|为何",
    re.IGNORECASE,
)
_AROUND = re.compile(
    r"\s+(?:in the (?:video|film|clip)|on (?:the )?screen|for the (?:first|last) time|again|first|exactly|aloud)\W*$",
    re.I,
)
_AROUND_HAN = re.compile(
    r"^[他她它谁是在有的]|^哪[里儿]|^(?:人们?|大家|老师|讲者|视频)|(?:这?[一几两]?个?(?:单?词|字)|字样|文字)$|^(?:单词|文字|标题|词语?)"
    r"|(?:被|第一次|首次|最后一次|又|再次)+$|[的了过吗呢吧？?。！!]$|(?:在|于|写[着到]?|显示|出现|消失)$|^(?:写[着到]?|显示|出现)了?"
)
_PASSIVE_HAN = re.compile(r"(?:第一次|首次|最后一次)?被(?:说|讲|提|谈|念)(?:到|起|及|出)?")
_MOST_WORDS, _MOST_SIGNS = 6, 60
"""Words and characters that are looked for as they are; a longer clause is no quotation."""
_WHAT = re.compile(
    r"\b(?:what|which)\b(?! (?:time|moment|second|minute|point)s?\b)|(?:什么|啥)(?!时)|哪些|内容", re.IGNORECASE
)
_EXPLAINS = re.compile(
    r"^\W*(?:why|how(?! (?:often|many|long))|who|whose|whom|explain|describe|summari[sz]e|translate)\b"
    r"|\bwhat (?:colou?r|kind|sort|type|shape|size|happens|is happening|language)\b|\bwhat\b.*\b(?:look like|mean)s?\b"
    r"|什么(?:颜色|样|形状|东西|人|意思|语言)|为什么|为何|怎么|怎样|如何|解释|翻译|谁",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"(?<!^)(?<!since )(?<!until )\b(?:when|while|after|before|once|as soon as)\b|当|的时候|[之以][后前]", re.IGNORECASE
)
"""Begins a part that has to be seen before the other part of the question can be answered."""
_ANY_TEXT = re.compile(
    r"\b(?:any|some) (?:text|writing|words|letters)\b|有(?:没有)?(?:任何|什么)?(?:文字|字)", re.IGNORECASE
)
_READ_OUT = re.compile(r"^\W*(?:please )?(?:read|transcribe|quote)\b|读(?:一下|出)|念(?:一下|出)", re.IGNORECASE)


@dataclass(frozen=True)
class TextQuestion:
    """What a question asks of the text or the speech of a video.

    Attributes:
        source: Where the answer is.
        words: The words whose times are asked for; "" asks what is written or said.
        is_certain: Whether it asks when these words stand or are said; else they may name something that is seen, or a
            quotation is only a part of the answer.
    """

    source: Source
    words: str
    is_certain: bool


def text_question(question: str) -> TextQuestion | None:
    """Return what a question asks of text or speech, in English or Chinese; None if it can only be about what is seen.

    Args:
        question: The question, or a part of it.
    """
    question = " ".join(without_times(question).split())
    kind = kind_by_opening(question)
    quoted = _QUOTED.search(question)
    rest = _QUOTED.sub(" ", question) if quoted else question
    is_speech = _is_about_speech(question)
    source: Source = "speech" if is_speech else "screen"
    asks_what = kind not in SEARCHED and bool(_WHAT.search(rest) or _READ_OUT.search(rest))
    if _EXPLAINS.search(rest) or (asks_what and (_CONDITION.search(rest) or (quoted and not is_speech))):
        return None
    if quoted:
        phrase = next(filter(None, quoted.groups())).strip(" ,.，。")
        is_certain = not asks_what and (is_speech or _is_text(question, quoted))
        return TextQuestion(source, phrase, is_certain) if phrase else None
    if _ANY_TEXT.search(question):
        return TextQuestion("screen", "", is_certain=False)
    is_named = is_speech or bool(_NAMES_TEXT.search(question) or _ON_SCREEN.search(question))
    if asks_what and is_named:
        is_written = kind in ("read", "spoken") or bool(_NAMES_TEXT.search(question))
        phrase = _IS_NAMED.sub("", _spoken_words(question)) if is_speech else ""
        return TextQuestion(source, phrase, is_certain=False) if is_written else None
    if kind not in (*SEARCHED, "read", "spoken") and not is_named:
        return None
    phrase = _phrase(question, source)
    if not phrase:
        return None
    is_text = is_speech or (is_named and not _DETERMINED.match(phrase))
    phrase = re.sub(r"^(?:the|an?)\s+", "", phrase, flags=re.IGNORECASE)
    bare = _IS_NAMED.sub("", phrase)
    return TextQuestion(source, bare, is_text or bare != phrase)


def is_about_text(question: str) -> bool:
    """Return whether text or speech may answer a question, at least in part."""
    return any(text_question(part) for part in parts_in_words(question))


def names_object(question: str) -> bool:
    """Return whether a question is about the text on an object, which only a model can distinguish from other text."""
    return bool(_OBJECT.search(question))


def _is_about_speech(question: str) -> bool:
    if _SUBTITLES.search(question):
        return True
    is_spoken = _SPOKEN.search(question) or _SAYS_HAN.search(question)
    return bool(is_spoken) and not (_SUBJECT_READS.search(question) or _ON_SCREEN.search(question))


def _is_text(question: str, quoted: re.Match[str]) -> bool:
    """Return whether quoted words are looked for themselves, and not a thing with these words on it."""
    before = question[: quoted.start()].split()
    rest = f"{question[: quoted.start()]} {question[quoted.end() :]}"
    is_bare = not before or not re.search(r"\b(?:the|an?)\s+(?:[\w-]+\s+)+$", " ".join(before) + " ", re.IGNORECASE)
    return is_bare or bool(_NAMES_TEXT.search(rest))


def _phrase(question: str, source: Source) -> str:
    """Return the words whose times are asked for, without quotation marks around them; "" if none are recognised."""
    if re.search(r"[\u4e00-\u9fff]", question) and not re.search(r"\b(?:when|does|is|the)\b", question, re.I):
        phrase = "" if source == "screen" or _PASSIVE_HAN.search(question) else _spoken_words(question)
        if not phrase:
            question = _PASSIVE_HAN.sub("", question)
            phrase = opening_of(_ON_SCREEN.sub("", question)).thing
        return _bare(phrase)
    phrase = _spoken_words(question) if source == "speech" else _match(_SCREEN_SAYS, question)
    if not phrase and (match := _ASKS_FOR.match(question)):
        phrase = _bare(_ON_SCREEN.sub("", match["words"]))
    return phrase or _match(_AFTER_NAME, question)


def _spoken_words(question: str) -> str:
    """Return what somebody says by a question; "" if that is what it asks for."""
    return _match(_SAYS, question)


def _match(pattern: re.Pattern[str], question: str) -> str:
    match = pattern.search(_ON_SCREEN.sub(" ", question) if pattern is _SCREEN_SAYS else question)
    return _bare(match["words"] or match["han"] or "") if match else ""


def _bare(phrase: str) -> str:
    """Return a phrase without what belongs to the question around it; "" if it is no quotation."""
    phrase = phrase.strip(" ?？!！.。,，:：;；")
    while (less := _AROUND_HAN.sub("", _AROUND.sub("", phrase)).strip()) != phrase:
        phrase = less
    is_long = len(phrase.split()) > _MOST_WORDS or len(phrase) > _MOST_SIGNS
    return "" if is_long or _NO_WORDS.search(phrase) else phrase
