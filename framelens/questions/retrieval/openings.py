"""Openings of questions that leave no doubt of what is asked, in English and Chinese; the model reads all others.

A question of such an opening that ends with "appear" or the like names its thing, too, and needs no model. Not decided
here: several questions in one, negations, pronouns, conditions, other languages, parts of the video without a time.
"""

import re
from dataclasses import dataclass

from framelens.questions.retrieval.values import SEARCHED, Kind, Sought
from framelens.questions.retrieval.written_times import without_quoted, without_times


def _split_words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_IF_PLAIN = ("when a", "when an", "when the")
"""Begins a condition, too ("When the dog barks, …")."""
_OPENINGS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("global", ("what is this video about", "what is the video about", "summarise", "summarize", "describe the video",
                "describe this video", "what happens in the video", "what happens in this video")),
    ("count", ("how often", "how many times")),
    ("when", ("when does", "when do", "when did", "when is", "when are", "when was", "when were", "when will",
              "when can", "at what time", "at which moment", "show me when", *_IF_PLAIN)),
    ("exists", ("is there a", "is there an", "is there any", "are there any", "can you see a", "can you see an",
                "can you see any", *(f"{verb} {article}" for verb in ("is", "are", "do", "does", "did")
                                     for article in ("a", "an", "any", "the")))),
    ("read", ("what is written", "what does the sign say", "what does the text", "what does it say")),
    ("spoken", ("what does she say", "what does he say", "what do they say", "what is said")),
    ("local", ("what", "which", "who", "whose", "where", "why", "how many", "how much")),
)  # fmt: skip
"""What a question in English begins with."""
_SIGNS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("global", ("总结", "概括", "关于什么", "视频里讲了什么", "视频讲了什么", "描述一下视频", "描述视频")),
    ("count", ("多少次", "几次")),
    ("when", ("什么时候", "啥时候", "何时", "几点几分", "第几秒", "哪一秒")),
    ("exists", ("有没有", "是否有", "是否出现", "吗")),
    ("read", ("写着什么", "写了什么", "写的是什么", "什么字")),
    ("spoken", ("说了什么", "说什么", "提到")),
    ("local", ("谁", "为什么", "怎么", "哪里", "哪儿", "什么", "几个", "多少")),
)
"""The same in Chinese, anywhere in the question."""
_ARTICLES = ("a", "an", "any", "some", "the")
_HELPS = ("is", "are", "was", "were", "does", "do", "did", "can", "will", "has", "have")
_LEADS = ("there", "we see", "you see", "i see", "one see", "see")
_CLOSES = ("disappear", "appear", "appears", "appeared", "visible", "shown", "seen", "show up", "come into view")
"""Words before and after a thing that say no more than that it is there."""
_ASIDES = ("in the video", "in this video", "in the picture", "on the screen", "on screen", "again", "first", "ever")
_LEADS_HAN = _split_words(
    "请问 在 这个视频 视频里 视频中 画面里 画面中 画面上 一共 总共 第一次 最后一次 能不能 可以 能 会 是 了"
)
_CLOSES_HAN = _split_words("出现过 出现 看到过 看到 看见 可见 有 消失")
_ASIDES_HAN = _split_words("了 的 吗 呢 是 在 会 能 可以 第一次 最后一次 一共 共 大概")
_AROUND_HAN = " ？?。！!，,、"
_DOUBT = frozenset(
    _split_words("and or it he she they him her them his their its this these those one who someone something anything")
)
_PLACES = frozenset(
    _split_words(
        "half third quarter part minute minutes seconds hour beginning start middle end ending opening last final"
    )
)
"""What may name a part of the video."""
_PLACES_HAN = re.compile("最后|开头|开始|结尾|末尾|结束|中间|[前后半段秒]|分钟")
_DOUBT_HAN = re.compile(rf"^[它他她其这那谁][们个]?$|第.次|每次|什么|时候|各|[和或与又，,？?]|{_PLACES_HAN.pattern}")
_DENIES = frozenset(("not", "never", "no", "nothing"))
_ENDS = (_DOUBT - {"one"}).union(
    _HELPS,
    _split_words(
        "look looks like be had could at to into from for with onto in on off of behind before after until by over"
    ),
    _split_words(
        "under that which when where while then but there first again appear appears visible seen shown say says"
    ),
    _split_words("the a an not never happens"),
)
"""What no name of a thing holds."""
_HAN = re.compile(r"[\u4e00-\u9fff]")
_VOWEL = re.compile(r"(?!uni(?!n|m)|eu|one|us[aeu]|ut[ei])[aeiou]|hour|honest|heir", re.IGNORECASE)
"""Begins with the sound of a vowel: an uncle and an hour, but a uniform and a European."""
_JOINTS = re.compile(
    r"(?<=[?？])\s*(?=\S)|[,;]?\s+and\s+(?:also\s+)?(?:(?:say|tell me)\s+)?"
    r"(?=(?:when|how|what|which|who|where|why|is there|are there)\b)|[，；](?:并|并且|而且|以及|还有|同时)?",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:when|how|what|which|who|whose|where|why|is there|are there|describe|summari[sz]e)\b"
    r"|描述|总结|概括|什么|啥|何|几|多少|谁|哪|怎|有没有|是否|[吗呢][？?]?$",
    re.IGNORECASE,
)
_WHICH_VIDEOS = re.compile(
    r"(?P<lead>(?:in|on) )?(?:which|what)(?: of (?:the|these|my))? (?:videos?|reports?|clips?|recordings?|files?) "
    r"(?:(?:shows?|ha(?:s|ve)|contains?) (?P<shown>.+)|(?P<rest>.+))",
    re.IGNORECASE,
)
_VIDEOS_HAN = "(?:哪些|哪几个|哪个|哪一个|哪段)(?:视频|录像|报告|片段)(?:里面|当中|里|中)?"
_WHICH_VIDEOS_HAN = re.compile(
    rf"(?:请问)?(?:在)?{_VIDEOS_HAN}(?:都)?(?:出现过|出现了|出现|能看到|可以看到|看得到|拍到了|拍到|有)(?P<thing>.+)"
    rf"|(?P<subject>.+?)(?:都)?(?:出现)?在{_VIDEOS_HAN}(?:出现过|出现)?[?？]?"
)
"""Questions for the videos that show a thing."""
_MOST_PARTS, _MOST_WORDS, _LONGEST_THING = 3, 8, 60


@dataclass(frozen=True)
class QuestionOpening:
    """What the words of a question say.

    Attributes:
        kind: What is asked; None where the opening is another.
        thing: What is looked for, "" if nothing is named.
        is_decided: Whether this is all that the choice of frames has to know.
    """

    kind: Kind | None
    thing: str
    is_decided: bool

    @property
    def sought(self) -> Sought:
        """Return what the question asks for; a question of another kind is about something in the video."""
        return Sought(self.kind or "local", (self.thing,) if self.thing else ())


def opening_of(question: str) -> QuestionOpening:
    """Return what the opening of a question says.

    >>> opening_of("When does the red card appear?")
    QuestionOpening(kind='when', thing='a red card', is_decided=True)
    """
    question = without_times(question).strip()
    kind, opening = _kind(question)
    if kind in ("global", "spoken"):
        names_part = _PLACES.intersection(re.findall(r"\w+", question.lower())) or _PLACES_HAN.search(question)
        return QuestionOpening(kind, "", is_decided=not names_part)
    if _HAN.search(question):
        thing, is_plain = _thing_in_han(question, opening)
    else:
        thing, is_plain = _thing_after(question, opening) if opening and kind != "local" else ("", False)
        thing = thing if is_plain else _noun(question)
    if kind in SEARCHED and (_is_denied(question) or (not is_plain and (kind == "exists" or opening in _IF_PLAIN))):
        kind = None
    is_decided = kind in SEARCHED and is_plain and bool(thing)
    return QuestionOpening(kind, thing[:_LONGEST_THING], is_decided)


def shown_in_videos(question: str) -> str:
    """Return the thing of a question for the videos that show it, "" for any other question.

    >>> shown_in_videos("In which videos is a blue van?"), shown_in_videos("哪些视频里有蓝色面包车？")
    ('a blue van', '蓝色面包车')
    """
    question = " ".join(question.split())
    if match := _WHICH_VIDEOS_HAN.fullmatch(question):
        asked = [f"有没有{match['thing'] or match['subject']}"]
    elif match := _WHICH_VIDEOS.fullmatch(question):
        verb, _, rest = (match["rest"] or "").partition(" ")
        is_there = match["lead"] and verb.lower() in ("is", "are")
        shown = match["shown"] or (rest.removeprefix("there ") if is_there else "")
        asked = [match["rest"] or f"is there {shown}", f"is there {shown}", f"are there any {shown}"]
    else:
        return ""
    return next((opening.thing for opening in map(opening_of, asked) if opening.is_decided), "")


def without_article(thing: str) -> str:
    """Return a thing without its English article."""
    first, _, rest = thing.partition(" ")
    return rest if rest and first.lower() in _ARTICLES else thing


def kind_by_opening(question: str) -> Kind | None:
    """Return the kind that the opening of a question leaves no doubt of."""
    return opening_of(question).kind


def parts_in_words(question: str) -> tuple[str, ...]:
    """Return the questions into which words and signs divide a question, at most three; else the question itself."""
    parts = [part.strip(" ,，;；") for part in _JOINTS.split(question)]
    parts = [part for part in parts if part]
    return tuple(parts) if 1 < len(parts) <= _MOST_PARTS and all(map(_ASKS.search, parts)) else (question,)


def with_article(noun: str) -> str:
    """Return an English noun with "a" or "an"."""
    return f"{'an' if _VOWEL.match(noun) else 'a'} {noun}"


def _kind(question: str) -> tuple[Kind | None, str]:
    """Return the kind of a question and the words that say so."""
    plain = without_quoted(question).lower()
    text = " ".join(plain.split())
    for kind, openings in _OPENINGS:
        for opening in openings:
            if text == opening or text.startswith((f"{opening} ", f"{opening}?", f"{opening}.")):
                return (None, "") if "," in text else (kind, opening)
    for kind, signs in _SIGNS:
        for sign in signs:
            if sign in plain:
                return kind, sign
    return None, ""


def _is_denied(question: str) -> bool:
    """Return whether something that is not there is asked for, which no search finds."""
    words = question.lower().strip(" ?.!").split()
    plain = question.replace("有没有", "").replace("能不能", "")
    return bool(_DENIES.intersection(words)) or any("n't" in word for word in words) or bool(re.search("[没不]", plain))


def _thing_after(question: str, opening: str) -> tuple[str, bool]:
    """Return the thing that follows an opening, and whether the rest says no more than that it is there."""
    words = question.split()[len(opening.split()) :]
    if opening.split()[-1] in _ARTICLES:
        words = [opening.split()[-1], *words]
    rest = " ".join(words).strip(" ?.!")
    is_plain = opening.startswith(("is there", "are there", "can you see"))
    helps = opening.split()[-1]
    if rest.split(" ")[0].lower() in _HELPS:
        helps, _, rest = rest.partition(" ")
    for lead in _LEADS:
        if rest.lower().startswith(f"{lead} "):
            rest, is_plain = rest[len(lead) + 1 :], True
    shorter = rest
    while shorter:
        rest = shorter
        if end := next((end for end in (*_ASIDES, *_CLOSES) if rest.lower().endswith(f" {end}")), ""):
            is_plain = is_plain or end in _CLOSES
            shorter = rest[: -len(end) - 1]
        else:
            break
    is_plain = (
        is_plain and not (_DOUBT | _PLACES).intersection(rest.lower().split()) and len(rest.split()) <= _MOST_WORDS
    )
    return _with_article(rest, is_plural=helps.lower() in ("do", "are", "were")), is_plain and "," not in rest


def _with_article(noun: str, *, is_plural: bool) -> str:
    """Return a thing with the article with which one asks whether it is there."""
    first, _, rest = noun.partition(" ")
    if first.lower() in ("any", "some") or (first.lower() == "the" and is_plural):
        return rest
    if first.lower() == "the" and rest and not rest.split(" ")[0].istitle():
        return with_article(rest)
    return noun


def _noun(question: str) -> str:
    """Return the first thing after an article in an English question, for want of a better answer."""
    words = re.findall(r"[\w'-]+|[?.!,;]", question)
    start = next((index for index, word in enumerate(words) if word.lower() in _ARTICLES), len(words))
    noun: list[str] = []
    for word in words[start + 1 :]:
        if word.lower() in _ENDS or not word[0].isalnum() or len(noun) == 4:
            break
        noun.append(word)
    is_helped = bool({"does", "do", "did"}.intersection(word.lower() for word in words[:start]))
    ended = start + 1 + len(noun)
    if is_helped and len(noun) > 1 and (ended >= len(words) or words[ended] in "?.!"):
        del noun[-1]  # "does the man leave?"
    return _with_article(f"{words[start]} {' '.join(noun)}", is_plural=False) if noun else ""


def _thing_in_han(question: str, sign: str) -> tuple[str, bool]:
    """Return the thing that a Chinese question names, and whether the rest says no more than that it is there."""
    plain = without_quoted(question)
    position = plain.find(sign) if sign else -1
    rest = question if position < 0 else question[:position] + question[position + len(sign) :]
    is_plain, rest = sign in ("有没有", "是否有", "是否出现"), rest.strip(_AROUND_HAN)
    while True:
        head = next((phrase for phrase in (*_LEADS_HAN, *_CLOSES_HAN) if rest.startswith(phrase)), "")
        tail = next((phrase for phrase in (*_ASIDES_HAN, *_CLOSES_HAN) if rest[len(head) :].endswith(phrase)), "")
        if not head and not tail:
            return rest, is_plain and not _DOUBT_HAN.search(rest)
        is_plain = is_plain or bool({head, tail}.intersection(_CLOSES_HAN))
        rest = rest[len(head) : len(rest) - len(tail)].strip(_AROUND_HAN)
