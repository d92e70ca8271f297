"""Classification of a question: what kind it is, and what must be visible in a picture that answers it.

Words that leave no doubt ("when does", 几次) decide the kind; otherwise the model does, in a short request that also
names what to look for. Where its answer is unusable, the words of the question count.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, get_args

from framelens.analysis.requests.engine_connection import EngineConnection
from framelens.core.domain import Language
from framelens.core.errors import AppError, Cancelled, FormatRefused
from framelens.i18n import in_language, t
from framelens.llm import messages
from framelens.llm.stream import stream_pieces
from framelens.questions.retrieval.named_parts import without_times
from framelens.questions.retrieval.values import SEARCHED, Kind, Sought

_log = logging.getLogger(__name__)
_SECONDS = 30.0
"""Ceiling of the request; most of an answer that takes longer would be thoughts."""
_TOKENS, _MOST_THINGS, _LONGEST_THING, _EARLIER, _LONGEST_QUESTION, _MOST_PARTS = 160, 3, 60, 3, 2000, 3
"""Longest answer; things to look for, and characters of a thing; earlier questions and characters of each that are
shown; parts that a question is divided into."""


# ---- by words --------------------------------------------------------------------------------------------------------

_GLOBAL = re.compile(
    r"\b(?:summar\w+|overview|gist|overall|in general|(?:whole|entire) (?:video|film|clip)"
    r"|main (?:topic|idea|point|theme|message)s?|(?:video|film|clip) (?:all )?about"
    r"|describe (?:the|this) (?:video|film|clip)|what happens(?: in (?:the|this) (?:video|film|clip))?\W*$)"
    r"|总结|概括|概述|大意|主题|梗概|整个(?:视频|影片)|全片|主要(?:内容|讲|说)|关于什么"
    r"|(?:视频|影片|片子)(?:里|中)?(?:都|在)?(?:讲|说|发生)了?(?:些|的是)?(?:什么|哪些)"
    r"|描述(?:一下)?(?:[这整][个段]?)?(?:视频|影片)",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\b(?:how (?:often|many times|frequently)|(?:number of|count the) times)\b|(?:几|多少)[次回遍]|次数|多频繁",
    re.IGNORECASE,
)
_WHEN = re.compile(
    r"\b(?:when(?:, if ever,)?(?= (?:do|does|did|is|are|was|were|will|can|has|have|exactly)\b)"
    r"|at (?:what|which) (?:time|point|moment)|what time|how long (?:until|before|after)|first time"
    r"|first appear\w*|timestamps?"
    r"|(?:which|what) (?:second|minute)s?"
    r"|(?:where|which (?:part|scene|moment)) (?:in|of) (?:the|this) (?:video|film|clip)"
    r"|how long (?=(?:is|are|was|were|do|does|did)\b.*\b(?:visible|shown|seen|on (?:the )?screen|in (?:the )?picture"
    r"|appear|stay)\b))"
    r"|^\W*(?:please |(?:can|could) you )?(?:find|show|tell|give|locate|list|name|(?:go|jump|skip) to)\b[^?.!,]{0,24}"
    r"\b(?:when|(?:moment|time)s?(?= (?:when|where|that|at|the|an?|in)\b|\W*$))"
    r"|^\W*(?:the |all |every |exact )*(?:moments?|times?) (?:when|where|that|in which|at which|the|an?)\b"
    r"|^\W*when (?:the|an?|this|he|she|they|it|some\w+|any\w+)\b(?!.*(?:,|\b(?:what|who|how|where|why)\b))"
    r"|什么时候|啥时候|何时|几点|几分几秒|(?<!最后)(?<!前)第?[几哪]一?(?:刻|秒|帧)|什么时间|哪个时间|时间[点戳]|哪[几些]个?时[刻候]|第几分钟"
    r"|(?:出现|可见|停留|看[到见])了?(?:多久|多长时间)|多久(?:之?后|才)|哪[一些几]?[个段处些]?(?:画面|片段|镜头|时刻)(?!.*[最更])"
    r"|出现的?(?:时间|时刻)(?:段|点)?|(?:找|跳|转|定位|列|给)[出到至一下找]*.*(?:片段|画面|镜头|时刻|时间|地方)\W*$",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:is|are|was|were|do|does|did|has|have|had|can|could|will)\b[^,;.?]*\b(?:not|never|no(?:body|thing| one))\b"
    r"|n['’]t\b|(?<!有)没有|没人|没出现|看不[到见]|不(?:可见|出现|在|动)",
    re.IGNORECASE,
)
_EXISTS = re.compile(
    r"^\W*(?:is|are|was|were) there (?:ever )?(?:an?|any|some)\b"
    r"|^\W*(?:can|could) (?:you|one|we|i) see (?:an?|any|some)\b"
    r"|^\W*(?:do|does|did) (?:the|this) (?:video|film|clip) (?:show|contain|include|have) (?:an?|any|some)\b"
    r"|^\W*(?:do|does|did) .*\b(?:appear|show up)\b"
    r"|^\W*(?:is|are|was|were) (?:an?|any|some|the)\b.*\b(?:visible|shown|seen)\b"
    r"|[\u4e00-\u9fff](?:出现|看[到见])[过了]?[吗么嘛]|有没有|是不是有|是否会?(?:有|出现|存在|能?看[到见])|能[不否]?能?看[到见]|有无|(?:^|[里中])面?(?:有|出现过?|看?到过?)[^什哪几多谁]*[吗么嘛]",
    re.IGNORECASE,
)
_READ = re.compile(
    r"\b(?:read|written|writing|captions?|headline|letters|licen[cs]e plate|number plate)\b"
    r"|\b(?:sign|label|text|title|poster|screen|slide|page|banner|board|plate|shirt|note)\b.{0,20}\bsays?\b"
    r"|写(?:着|了|的是?)?(?:什么|啥|哪些)|什么字|哪些字|文字|标语|车牌|读(?:一下|出)|念(?:一下|出)",
    re.IGNORECASE,
)
SPOKEN = re.compile(
    r"\b(?:says?|said|saying|mention\w*|announce\w*|narrat\w+|spoken|lyrics|hears?|heard|talk\w* about)\b"
    r"|说(?:了|过|的是?)?(?:什么|啥|些什么|到)|提到|[说讲提谈]过|讲到|谈(?:到|论)|听到|台词|解说|旁白|歌词",
    re.IGNORECASE,
)
_KNOWN_WORDS = re.compile(
    r"[\u4e00-\u9fff]|\b(?:the|is|are|was|were|what|which|who|where|why|does|did|do|how|there)\b", re.IGNORECASE
)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_NOUNS = re.compile(
    r"(?P<plural>\b(?:do|are|were|have)\s+)?"
    r"\b(?P<article>the|an?|this|these|those|his|her|their|its|any|some|how (?:many|much)(?! of\b))\s+",
    re.IGNORECASE,
)
_NUMBERS = frozenset(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "several", "many"))
_UNCOUNTED = frozenset((
    "blood", "dust", "fire", "fog", "food", "grass", "hair", "ice", "money", "mud", "rain", "sand", "smoke", "snow",
    "steam", "text", "traffic", "water",
))  # fmt: skip
_UNIQUE = frozenset(("earth", "ground", "horizon", "moon", "ocean", "sea", "sky", "sun"))
_PLURAL = re.compile(
    r"(?:.*(?!ss|us|is|as).s|.*(?:men|people|children)|feet|teeth|geese|mice)(?<!lens)(?<!series)(?<!species)(?<!news)"
)
_VOWEL = re.compile(r"(?!uni(?!n|m)|eu|one|us[aeu]|ut[ei])[aeiou]|hour|honest|heir", re.IGNORECASE)
"""Begins with the sound of a vowel: an uncle and an hour, but a uniform and a European."""
_IN_QUOTES = re.compile(r"(?<!\w)[\"“‘'«](?P<text>[^\"”’'»]{1,40})[\"”’'»](?!\w)")
_WITH_TEXT = re.compile(rf"(?P<noun>(?:[\w-]+\s+){{1,3}}){_IN_QUOTES.pattern}")
_OR = re.compile(r"\bor\s+(?:the|an?|any|some)\b", re.IGNORECASE)
_ORDINAL = re.compile(r"^(?:first|second|third|fourth|fifth|last|next|\d+(?:st|nd|rd|th))\s+(?=\w)", re.IGNORECASE)
"""The place of a thing among others, which no picture shows."""
_HELPS = re.compile(r"\b(?:do|does|did)\b", re.IGNORECASE)
_AFTER_VERBS = re.compile(r"the|an?|his|her|their|its|to|into|onto", re.IGNORECASE)
"""Where the verb is "does", the word before one of these is the other part of it, or belongs to that."""
_NO_NOUNS = re.compile(
    r"\b(?:when|what|which|who|where|why|how|many|much|did|does|do|is|are|was|were|has|have|had|can|could|there|we|you|the"
    r"|see|seen|shown|visible|appears?|happen(?:s|ed|ing)?|going\s+on|ever|exactly|please|tell|find|list|me)\b",
    re.IGNORECASE,
)
_ENDS_NOUNS = re.compile(
    r"[^\w\s'-]|\b(?:appears?|appeared|visible|seen|shown?|shows?|comes?|goes|leaves?|enters?|puts?|takes?|is|are|was"
    r"|were|be|been|has|have|had|do|does|did|will|can|could|at|to|into|from|for|with|onto"
    r"|behind|before|after|until|not|never|ever|disappear(?:s|ed)?|vanish(?:es|ed)?|that|which|who|when|where|while|then|and|or|but|there|first|again|opens?|opened|closed?"
    r"|closes|pass(?:es)?|the|an?|his|her|their|its|stops?|starts?|begins?|ends?|says?|said|happens?|turns?|changes?"
    r"|moves?|becomes?|became|gets?|got|wears?|wearing|holds?|holding|read|written"
    r"|(?:in|on|off|out|by|over|under|up|down)\b(?!\W*$))\b",  # "falls over?": the last word belongs to its verb
    re.IGNORECASE,
)
_QUESTION_WORDS = (
    r"when|how|what|which|who|whose|where|why|(?:is|are|was|were) there"
    r"|(?:do|does|did|can|could) (?:it|you|he|she|they|the)"
)
_BETWEEN_PARTS = re.compile(
    rf"(?<=[?？;；])\s*(?:and\s+)?(?=\S)|[,;]?\s+and\s+(?:also\s+)?(?:(?:say|tell me)\s+)?(?=(?:{_QUESTION_WORDS})\b)"
    r"|[，；]\s*(?:并且|而且|以及|还有|同时|又|和)?|(?:并且|而且|以及|还有)",
    re.IGNORECASE,
)
_WHEN_AND_WHERE = re.compile(
    r"\b(when|where)\s+and\s+(when|where)\b"
    r"|(什么时候|何时)[、，,]?(在?(?:哪里|哪儿|[什哪][么个](?:地方|位置)))",
    re.IGNORECASE,
)
_ASKS = re.compile(
    rf"\b(?:{_QUESTION_WORDS}|describe|summari[sz]e)\b|描述|总结|概括|什么|啥|何时|几|多少|谁|哪|怎|为何|有没有|是否|多久|[吗呢么][？?]?$",
    re.IGNORECASE,
)
"""A part of a question without any of these words is a condition or an apposition, and the question is left whole."""
_BARE = re.compile(rf"(?:(?:{_QUESTION_WORDS}|many|much|often|long|times|exactly)\W*)+", re.IGNORECASE)
_REFERS = re.compile(r"\b(?:it|he|him|she|her|they|them|this|that|these|those|one)\b", re.IGNORECASE)
_REFERS_HAN = re.compile(
    r"(?:它们?|其|[这那]个?)?(?:可以|能够?|会|被|才|又|再)*"
    r"(?:看得?清楚?|看得?见|读(?:到|出来?|清)?|认出来?|开始|结束|停下来?|消失|不见|离开|打开|关上|变化?|动)?[了的]?"
)
"""Rest of a question that names nothing, and so refers to the previous question."""
_BECOMES = re.compile(
    r"\b(?:turn(?:s|ed)?(?: (?:in)?to)?|becom(?:es?|ing)|became|go|goes|went|gets?|got|grows?|grew"
    r"|changes? (?:colou?r )?(?:in)?to|(?:is|are|was|were) (?:it|this|that|they))"
    r"\s+(?:(?:all|completely|fully|very|an?) )?"
    r"(?!(?:left|right|on|off|over|around|round|up|down|away|back|in|out|home|t?here|inside|outside|through|past|by|to"
    r"|again|first|to|it|him|her|them|the|this|that|seen|shown|visible|found|closed|opened?)\b)([a-z-]+)\W*$",
    re.IGNORECASE,
)
"""What something looks like from a moment on, the last word of the question."""
_ONGOING = re.compile(
    r"\b(?:starts?|begins?|stops?|is it|was it) (\w+ing)\W*$"
    r"|\bit (?:(?:starts?|begins?) to )?(rain|snow|hail|drizzle)\W*$",
    re.IGNORECASE,
)
_OF_SCENES = frozenset({"dark", "bright", "light", "cloudy", "sunny", "foggy", "rainy", "snowy", "quiet"})
_BECOMES_HAN = re.compile(r"(?:开始)?[变转](?:成|为|得|作)?(?:了)?([红橙黄绿蓝青紫黑白灰粉棕金银])色?$")
_NAMES_NOTHING = re.compile(r"(?:它们?|其)(?!的).{0,4}")
"""A pronoun of things with a verb."""
_PEOPLE = {"he": "a man", "him": "a man", "she": "a woman", "her": "a woman"} | dict.fromkeys(
    ("they", "them", "who", "somebody", "someone", "anybody", "anyone", "people"), "a person"
)
_NOT_SEEN = re.compile(
    r"(?:video|film|clip|movie|scene|frames?|pictures?|end|beginning|start|moment|time|first|last)s?", re.I
)
_AROUND_HAN = re.compile(
    r"[？?。！!，,、\s]+|第[一二三四五六七八九十\d]+次|每一?次|[一总]共|又(?=什么|何|啥|$)|请问|请|(?:帮我|给我|我想知道|告诉我)|(?:找|跳|转|定位|列|给)[出到至一下找]+(?:所有|全部)?|^找(?:所有|全部)?|大概|大约|具体|到底|究竟"
    r"|是?(?:在)?(?:什么|啥|哪个)(?:时候|时间点?)|何时|几点(?:几分)?(?:几秒)?|几分几秒|(?:在)?第?[几哪]一?(?:刻|秒|帧)"
    r"|(?:出现|发生|看到)?了?(?:几|多少)[次回遍]|有?(?:(?:几|多少)[个名位只条头匹辆台架部艘张把根块件座栋棵朵盏扇间群对双本支枚颗种]|多少|哪[些种](?!画面|片段|镜头|时刻))"
    r"|(?:第[一二三四五六七八九十\d]+|最[后前]一|最?[开最]?[头初]一?)[个段]?(?:镜头|画面|场景)(?:里|中)?有?|(?:在)?哪[一些几]?[个段处些]?(?:画面|片段|镜头|时刻)(?:里|中)?"
    r"|发生了?(?:什么|啥|哪些)?(?:事情?)?|在?(?:哪[里儿]|[什哪][么个]?(?:位置|地方))"
    r"|(?:可见|停留)?了?(?:多久|多长时间)|(?:消失|不见)了?$|有没有|是不是有?|是否|能不能看到|第一次|最后一次|首次|在?(?:[这整每哪两几一二三四五\d]+个)?(?:视频|影片|画面|图片)(?:里|中)?(?:面)?(?:各自?|分别)?|的?(?:片段|镜头|时刻|地方|时间)(?:[点段戳])?(?:有哪些|是什么)?$"
    r"|(?:能够?|可以|会)?出现(?:了|过|的)?|(?:能够?|可以|会)?看(?:到|见)(?:了|过)?|^开始有?(?=..)"
    r"|写(?:着|了|的是?)?(?:什么|啥|哪些)字?|是?什么(?:颜色|样子|样的?|字)?(?:的)?|了?[吗呢吧了啊]$|^(?:在|是|有)|上$"
)
_QUOTED_HAN = re.compile(r"[“「『\"][^”」』\"]{1,40}[”」』\"](?:这?[一几两\d]?个?[字词]|(?:标志|字样|牌子?))?")
_VERB_FIRST_HAN = re.compile(
    r"^(?:是?在?)(?:什么时候|何时|啥时候)(?P<verb>[\u4e00-\u9fff]{1,2})的(?P<thing>[\u4e00-\u9fff]+)"
)
"""什么时候换的场景: the verb is about what follows, without 的."""


def kind_in_words(question: str) -> Kind | None:
    """Return the kind that words of the question leave no doubt of, in English or Chinese; None for another question.

    A time of something that is said can't be seen, so that such a question is "spoken". The range that it names says
    nothing about the kind.
    """
    question = without_times(question)
    if _GLOBAL.search(question):
        return "global"
    is_searched = not _NEGATED.search(question)  # a search finds what is there
    if _COUNT.search(question) and is_searched:
        return "count"
    is_read, is_spoken = bool(_READ.search(question)), bool(SPOKEN.search(question))
    if is_read or not is_spoken:
        if _WHEN.search(question) and is_searched:
            return "when"
        if _EXISTS.search(question):
            return "exists"
    return "read" if is_read else "spoken" if is_spoken else None


def is_in_known_words(question: str) -> bool:
    """Return whether a question has words of English or Chinese, in which a question for a search is recognised."""
    return bool(_KNOWN_WORDS.search(question))


def searched_parts(question: str) -> tuple[str, ...]:
    """Return the parts of a question if a search answers any of them, else the question."""
    parts = parts_in_words(question)
    return parts if any(kind_in_words(part) in SEARCHED for part in parts) else (question,)


def parts_in_words(question: str) -> tuple[str, ...]:
    """Return the questions into which words and signs divide a question, at most three; else the question itself."""
    if both := _WHEN_AND_WHERE.search(question):
        asked = [word for word in both.groups() if word]
        return tuple(f"{question[: both.start()]}{word}{question[both.end() :]}" for word in asked)
    found = [part.strip(" ,，;；") for part in _BETWEEN_PARTS.split(question)]
    parts = [part for part in found if part]
    if parts and _BARE.fullmatch(parts[0]):  # "How many times and when does …": both are about what follows
        return (question,)
    return tuple(parts) if 1 < len(parts) <= _MOST_PARTS and all(map(_ASKS.search, parts)) else (question,)


def things_in_words(question: str, earlier: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the thing that a question looks for, found without a model: its nouns, else the words left of it.

    A question that names nothing ("when can it be read?") is about the thing that the latest question before it names,
    else about a person ("when does she leave?"), or about nothing that a picture shows. A thing that turns blue is
    looked for in blue.
    """
    question = without_times(question)
    is_han = bool(_HAN.search(question))
    named, look = _named_in_han(question) if is_han else _named(question)
    if is_han:
        refers = bool(_REFERS_HAN.fullmatch(named) or _NAMES_NOTHING.fullmatch(named))
    else:
        refers = not named and bool(_REFERS.search(question))
    before = [part for one in earlier for part in parts_in_words(one) if part != question] if refers else []
    things = things_in_words(before[-1], before[:-1]) if before else ()
    if look:
        return (_coloured("" if refers else named, look, things)[:_LONGEST_THING],)
    if things or (refers and is_han):
        return things
    thing = named if named or is_han else _unnamed(question, refers=refers)
    return (thing[:_LONGEST_THING],) if thing else ()


def _named(question: str) -> tuple[str, str]:
    """Return the thing that an English question names, and the look that the thing takes on; "" if missing."""
    look = _BECOMES.search(question)
    return (_nouns(question[: look.start()]), look[1]) if look else (_nouns(question), "")


def _named_in_han(question: str) -> tuple[str, str]:
    """Return the same of a question in Chinese."""
    if text := _QUOTED_HAN.search(question):
        return text[0], ""
    asked = _VERB_FIRST_HAN.sub(r"\g<verb>\g<thing>", question.strip())
    bare = _AROUND_HAN.sub("", _AROUND_HAN.sub("", asked)).strip("的，。 ").replace("谁", "人")
    look = _BECOMES_HAN.search(bare)
    if not look:
        return bare, ""
    return bare[: look.start()] or ("画面" if "画面" in question else ""), look[1]


def _coloured(named: str, look: str, before: Sequence[str]) -> str:
    """Return a thing with the look that a question says it takes on; a thing without a name is "something"."""
    thing = named or next(iter(before), "")
    if _HAN.search(look):
        return f"{look}色的{thing or '东西'}"
    if look.endswith("ing"):  # "when is it raining?"
        return look
    noun = re.sub(r"^(?:an?|the) ", "", thing)
    if not noun and look.lower() in _OF_SCENES:
        noun = "scene"
    return with_article(f"{look} {noun}") if noun else f"something {look}"


def _unnamed(question: str, *, refers: bool) -> str:
    """Return the thing that an English question without nouns looks for: a person, an activity, or its words.

    A pronoun and a verb ("when does it stop?") name nothing that a picture shows.
    """
    people = (_PEOPLE.get(word.lower(), "") for word in re.findall(r"[\w'-]+", question))
    if person := next(filter(None, people), ""):
        return person
    if going := _ONGOING.search(question):
        return going[1] or going[2]
    if text := _IN_QUOTES.search(question):
        return f"“{text['text']}”"
    words = re.findall(r"[\w'-]+", _NO_NOUNS.sub("", question))[-6:]
    return "" if refers or all(map(_NOT_SEEN.fullmatch, words)) else " ".join(words)


def _nouns(question: str) -> str:
    found = []
    for start in _NOUNS.finditer(question):
        rest = _ORDINAL.sub("", question[start.end() :])
        if text := _WITH_TEXT.match(rest):
            found.append(f"{with_article(text['noun'].strip(), start['article'].lower())} “{text['text']}”")
            continue
        end = _ENDS_NOUNS.search(rest)
        words = (rest[: end.start()] if end else rest).split()[:4]
        if end and len(words) > 1 and _AFTER_VERBS.fullmatch(end[0]) and _HELPS.search(question[: start.end()]):
            del words[-1]  # "does the speaker point to the chart"
        if words and words[-1].lower() == "of":
            del words[-1]
        if words and not _NOT_SEEN.fullmatch(words[-1]):
            noun = " ".join(words)
            found.append(noun if start["plural"] else with_article(noun, start["article"].lower()))
    return (" or " if _OR.search(question) else " and ").join(dict.fromkeys(found[:2]))


def is_same_thing(one: str, other: str) -> bool:
    """Return whether two names mean the same thing: "a red card" and "the red cards"."""
    return bool(_bare_words(one)) and _bare_words(one) == _bare_words(other)


def _bare_words(thing: str) -> list[str]:
    """Return the words of a name without articles and plurals, single Chinese characters without 的."""
    words = re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", thing.lower())
    return [re.sub(r"(?<=..)(?<!s)s$", "", one) for one in words if one not in ("a", "an", "the", "的")]


def with_article(noun: str, given: str = "") -> str:
    """Return an English noun with "a" or "an"; a plural or an uncountable noun gets no article.

    "a" and "an" that were `given` stay, and so does "the" before a name or a unique thing.
    """
    first, last = noun.split()[0], noun.split()[-1].lower()
    if given in ("a", "an"):
        return f"{given} {noun}"
    if given == "the" and ((first.istitle() and len(first) > 1) or first.lower() in _UNIQUE):
        return f"the {noun}"
    is_number = first.lower() in _NUMBERS or first.isdecimal()
    if is_number or given in ("these", "those") or _PLURAL.fullmatch(last) or last in _UNCOUNTED:
        return noun
    return f"{'an' if _VOWEL.match(noun) else 'a'} {noun}"


def by_words(question: str, earlier: Sequence[str] = ()) -> Sought:
    """Return what the words of a question ask for, which may refer to questions before it."""
    return Sought(kind_in_words(question) or "local", things_in_words(question, earlier))


# ---- by the model ----------------------------------------------------------------------------------------------------


def by_model(
    question: str,
    earlier: Sequence[str],
    connection: EngineConnection,
    language: Language,
    cancel: threading.Event,
) -> Sought:
    """Return what a question asks for, by the model's answer and, where it is unusable, by the words.

    Args:
        question: The question.
        earlier: Questions before it, which it may refer to.
        connection: The engine.
        language: Language of the request.
        cancel: Ends the request within 0.1 s of being set.

    Raises:
        Cancelled: `cancel` was set.
    """
    words = by_words(question, earlier)
    known_kind = kind_in_words(question)
    with in_language(language):
        prompt = t(
            "ask.prompt.classify",
            question=quoted(question),
            earlier=", ".join(map(quoted, earlier[-_EARLIER:])) or "–",
        )
        system = t("ask.prompt.classify_system")
    said = asked_for_json(prompt, system, _SCHEMA, connection, cancel)
    kind = said.get("kind")
    things = said.get("look_for")
    # A thing that shares no word with the questions was made up.
    known = _parts(" ".join((*earlier[-_EARLIER:], question)))
    usable = [
        " ".join(one.split())
        for one in (things if isinstance(things, list) else [])
        if isinstance(one, str) and 0 < len(one.strip()) <= _LONGEST_THING and _parts(one) & known
    ]
    look_for = tuple(dict.fromkeys(usable[:_MOST_THINGS])) or words.look_for
    if known_kind or kind not in get_args(Kind):
        return Sought(words.kind, look_for)
    # These take a search of minutes in place of an answer, and their words are known in English and Chinese.
    is_unlikely = kind in SEARCHED and is_in_known_words(question)
    return Sought("local" if is_unlikely else kind, look_for)  # type: ignore[arg-type]


def asked_for_json(
    prompt: str, system: str, schema: Mapping[str, Any], connection: EngineConnection, cancel: threading.Event
) -> dict[str, Any]:
    """Return the model's answer to a short request as an object, empty if it is no object, fails or takes too long.

    Args:
        prompt: The request, which describes the object.
        system: The system message.
        schema: Schema of the object, left out for engines that refuse it.
        connection: The engine.
        cancel: Ends the request within 0.1 s of being set.

    Raises:
        Cancelled: `cancel` was set.
    """
    options: dict[str, Any] = {"temperature": 0.0, "max_tokens": _TOKENS}
    if connection.takes_schema:
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
    deadline, text = time.monotonic() + _SECONDS, ""
    sent = messages.text_only(prompt, system=system)
    while True:
        try:
            with closing(stream_pieces(connection.chat, sent, cancel=cancel, options=options)) as pieces:
                for piece in pieces:
                    text = piece.text if piece.restart else text + piece.text
                    if time.monotonic() > deadline:
                        break
            break
        except Cancelled:
            raise
        except AppError as error:
            _log.warning("a short request failed: %s", error)
            if not (isinstance(error, FormatRefused) and options.pop("response_format", None)):
                break
    try:
        answer = json.loads(text[text.find("{") : text.rfind("}") + 1])
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


_SCHEMA: dict[str, Any] = {
    "name": "question",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": list(get_args(Kind))},
            "look_for": {
                "type": "array",
                "items": {"type": "string", "maxLength": _LONGEST_THING},
                "minItems": 1,
                "maxItems": _MOST_THINGS,
            },
        },
        "required": ["kind", "look_for"],
        "additionalProperties": False,
    },
}


def _parts(text: str) -> set[str]:
    """Return the words of a text by which another text is recognised: stems of words, single Chinese characters."""
    return {word[:4] for word in re.findall(r"[^\W\d_\u4e00-\u9fff]{3,}", text.lower())} | set(_HAN.findall(text))


def quoted(text: str) -> str:
    """Quote a text of the user for a request, as a JSON string on a single line."""
    return json.dumps(" ".join(text.split())[:_LONGEST_QUESTION], ensure_ascii=False)
