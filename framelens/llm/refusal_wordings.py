"""Wordings by which an engine refuses a request, each with its meaning: vLLM's, OpenAI's, and what others mostly say.

A rule lists what a sentence must have, such as a picture and the word "exceeds", and with "!" what it must not have.
The first rule that holds for a sentence decides. `framelens.llm.dialects` has further wordings, which go first.
"""

import re
from collections.abc import Collection
from functools import cache

from framelens.llm.dialects import Meaning, Rule, dialects

_PICTURE = (
    r"(?:(?<!kernel )image|picture|photo|\bvision\b|visual|multi-?modal|\bmedia (?:item|part)|\bVLM\b"
    r"|图[片像文]?|视觉|多模态)"
)
_CONTEXT = (
    r"(?:context|tokens?(?![a-z])(?! ?per)|(?:max|model|seq)\w*_len|max_\w*tokens|n_ctx|num_ctx|kv cache"
    r"|(?:input|prompt|sequence|model|message|total|session|token) length|max\w* (?:\w+ )?length|上下文|输入长度)"
)
_INPUT = r"(?:\bprompts?\b|\binputs?\b|\bsequence\b|输入|提示词?|内容|文本|消息|会话|对话|长度)"
_EXCESS = (
    r"(?:exceed|(?:long|larg|great|bigg|small)er than|more than|too (?:long|large|big|many|small|short)|overflow"
    r"|(?:does not|doesn't|cannot) (?:fit|truncate)|not enough|reduce|shorten|\bfull\b|exhausted|over the (?:limit|max)"
    r"|(?:must|should|can ?not|can't) (?:not )?(?:be|have) (?:short|less|small|great|larg|<|\[)|[\w)] ?>=? ?[(\w]"
    r"|\bonly (?:supports |accepts |has )?\d|at most|range of|\bmax(?:imum)? \w"
    r"|超(?!时)|过长|太长|大于|小于|已满|达到|最大)"
)
_AGAINST = (
    r"(?:\bnot\b(?! exist)|n't\b|\bcannot\b|\bno\b|\bun(?:supported|known(?! error)|expected)\b|disabled"
    r"|\bonly (?:be )?(?:supported|supports? text|\W?\[)|不|非|[仅只]支持)"
)
_SIZE = (
    r"(?:[KM]i?B\b|\bbytes|pixel|\bpx\b|resolution|dimension|\bsize|\bwidth|too (?:large|big)"
    r"|像素|分辨率|大小|尺寸|兆|过大|太大|[KM]限制)"
)
_BROKEN = (
    r"(?:invalid|illegal|corrupt|truncated|unsupported (?:\w+ )?(?:image\b(?! ?url)|type)|identify|decod|pars(?:e|ing)"
    r"|download|fail|base64[- ]encoded|(?:format|media type|mime)\b.{0,60}\b(?:not|un|illegal)|格式|解析|解码|下载)"
)
_COUNT = (
    r"(?:at most|up to|no more than|fewer|\bmax|limit|exceed|more than|too (?:many|much)|\bonly \d|accepts|allowed|[<>]"
    r"|less than|\bhandle|you set|最多|上限|超|不能|不得|[仅只]|过多|太多)"
)
_ANSWER_ALONE = r"^(?!.*(?:context|prompt|input|model_len)).*(?:max_\w*tokens|(?:output|completion) tokens)"
"""A sentence about the length of an answer, not of a request."""
_RULES: tuple[Rule, ...] = (
    ("timeout", r"deadline[_ ](?:was |has been )?exceeded|\btook too long"
                r"|\b(?:request|upstream|gateway) time(?:d[ -]?)?out\b"),
    ("value", r"(?:temperature|top_[pk]|min_p|\w+_penalty|seed|\bstop(?: sequences?)?)\b.{0,40}?"
              r"(?:must|should|too|range|less|greater|exceed|at most|between|cannot|不能|必须|范围)"),
    ("crash", r"enginecore encountered|enginedeaderror"),
    ("template", r"template", r"no longer allowed|not set|missing|not (?:found|define)|error", "!request"),
    ("pictures", r"\bonly supports? text|\bsupports? only text|text-only"
                 r"|image tokens to 0 placeholders|found 0 prompt placeholders"),
    ("context", r"must be at least 1, got -|token count between|\btoken limit"),
    ("picture_size", r"\bimage item", "exceed"),
    ("context", r"\bvideo item", "exceed"),
    ("single_picture", _PICTURE, r"\b(?:one|single|1)[ -](?:image|picture|photo)|\bat most one\b"
                                 r"|multi(?:ple)?[ -]images?|[单一][张幅个]", f"!{_SIZE}|format"),
    ("busy", r"rate[-_ ]?limit|too many requests|overload|temporarily unavailable|\bbusy\b|throttl"
             r"|(?:tokens?|requests?|images?) per (?:min|day|sec)"),
    ("quota", r"insufficient[_ ](?:quota|credit)|\bbalance\b|exceeded your current quota|credits\b"),
    ("filter", r"content[_ ]?(?:filter|policy|management|moderation)|inappropriate|safety|moderation"),
    ("format", r"response_format|json_schema|\bjson[ -]?(?:schema|mode|object|output)\b|json_(?:mode|object)|logprobs"
               r"|json ?模式|结构化输出"),
    ("context", _CONTEXT, _EXCESS, f"!{_ANSWER_ALONE}", f"!{_PICTURE}.{{0,60}} per (?:prompt|request)"),
    ("picture_shape", _PICTURE + "|height|width|ratio",
     r"aspect ratio|\btoo (?:small|narrow)|must be larger than|过小|太小|宽高比"),
    ("bytes", _PICTURE, r"\btotal|\ball\b", _SIZE),
    ("picture_size", _PICTURE, _SIZE, _EXCESS + "|limit"),
    ("image", _PICTURE, _BROKEN, r"!\bdetail"),
    ("picture_count", _PICTURE, _COUNT, r"(?<![a-z\d])\d|number|too many|数|过多", f"!{_SIZE}|format"),
    ("pictures", _PICTURE, _AGAINST, "!placeholder|base64|kwargs"),
    ("bytes", r"\b(?:body|payload|entity|request|content|message|total)|请求|数据",
     r"\btoo[_ ](?:large|big|long)|bytes|[KM]i?B\b|size|过大|太大", _EXCESS),
    ("tools", r"\btools?(?:\b|[-_])|function call", r"(?:not|n't|that) support|unsupported|require|auto-tool|不支持"),
    ("key", r"api[-_ ]?key|credentials|authorization|unauthori[sz]ed|authentication"),
    ("model", r"\bmodels?\b|模型", r"(?:not|n't) (?:be )?(?:exist|found|served|available)|unknown|no such"
                             r"|不存在|未找到"),
    ("value", r"max_\w*tokens|output tokens", _EXCESS + "|must|should"),
    ("context", _INPUT, r"too (?:long|large)|exceed|过长|太长|超(?!时)"),
    ("busy", r"(?:try|retry) again|\bretry (?:later|shortly)"),
)  # fmt: skip
_LOOSE_RULES: tuple[Rule, ...] = (
    ("context", r"context (?:size|length|window)|too long"),
    ("model", r"\bmodels?\b", r"\b(?:not|no|un) ?(?:\w+ )?loaded"),
    ("format", r"structured[ _]output|guided|grammar"
               r"|(?:unsupported|unexpected|unknown|unrecogni[sz]ed|extra) (?:request )?"
               r"(?:fields?|keys?|inputs?|parameters?|arguments?)"),
)  # fmt: skip
"""Rules that hold only for the refusal of a faulty request, not for the words of an engine that breaks down."""
_LONGEST_TEXT, _LONGEST_SENTENCE = 8_000, 800
"""Characters in which a refusal is looked for, as rules take long for a text of nothing but their words."""
_SENTENCE = re.compile(
    rf"[^。；\n]{{1,{_LONGEST_SENTENCE}}}?(?:\.(?=\s|$|[A-Z][a-z])|(?=[。；\n])|\Z)|[^。；\n]{{{_LONGEST_SENTENCE}}}"
)
_NUMBER_OF_PICTURES = re.compile(
    r"(?<![A-Za-z\d.:])(?<!defaulted to )\d{1,4}(?![\dA-Za-z])"
    r"(?! ?(?:document|[KMG]i?B\b|bytes|px\b|(?:mega)?pixels?|tokens?|[x×] ?\d|[.,]\d|%|像素|字节|兆))"
)
"""A number of pictures, not of what a picture has."""
_NUMBER = re.compile(r"(?<![\w.])(?<!\d:)(?<!<(?=\d{3}>))(?<!id=)(?<!id: )\d{2,10}(?![\w.]*\d)", re.IGNORECASE)
"""A number that counts something: no part of a name, a port, an id or a status like <400>."""
_LEAST_SHARE = 0.125
"""Least share of a request that its refusal asks for: numbers can mean something else."""

_OPTIONAL = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "frequency_penalty", "presence_penalty",
             "stream_options")  # fmt: skip
"""Parameters without which a request means the same; a parameter that only a user sets, such as a seed, isn't
listed."""
_WITHIN = r"(?:[^.。\n]|\.(?=\d))"
"""A sign within a sentence."""
_REFUSES_NEXT = (
    r"(?:unsupported|unknown|unrecogni[sz]ed|unexpected|disallowed|(?:not|n't) (?:support|accept|allow|permit)(?:ed)?"
    rf"|不支持|不接受|未知){_WITHIN}{{0,40}}?"
)
_REFUSES_BEFORE = (
    rf"{_WITHIN}{{0,60}}?(?:"
    r"(?:not|n't|no longer|cannot both) (?:be |yet |currently )?"
    r"(?:support|allow|permit|accept|available|specified|enabled)"
    r"|unsupported|deprecated|immutable|may only be set to|only the default|only \S{1,8} is (?:allowed|supported)"
    r"|(?:is|are) fixed at|strictly positive|不(?:被|受)?支持|不允许|[仅只](?:支持|能为)默认)"
)
_INSTEAD = re.compile(
    r"\buse\W{1,3}(?:the )?\W?(max_?completion_?tokens)|(?:改用|使用)\W{0,3}(max_?completion_?tokens)", re.I
)
_ROLE_RULES: tuple[Rule, ...] = (
    ("roles", r"(?<![a-z])(?:system|developer)(?![a-z])|系统(?=.{0,6}(?:角色|消息|提示))",
     r"role|prompt|message|instruction|turn|variant|field|角色|消息|提示",
     r"\bnot\b|n['’]t\b|\bcannot\b|\bno longer\b|\bun(?:supported|known|expected|recogni[sz]ed)\b|[不非无]|错误"
     r"|\b(?:in(?:valid|correct)|illegal|disallowed|forbidden|disabled)\b"),
    ("roles", r"\buser\W{1,6}(?:(?:and|or)\W{1,3})?assistant\b|用户.{0,2}?[和与或/、].{0,2}?助手"),
    ("roles", r"\balternat|交替|\bsuccessive|\bconsecutive|\bin a row", r"\b(?:roles?|user|assistant|messages)\b|角色"),
    ("roles", r"\b(?:start|begin|first)|首条|第一条", r"\buser\b|用户"),
    ("roles", r"(?<![a-z])roles?(?![a-z])|角色",
     r"\b(?:must|should|only|has to|in?valid)\b|不|非法|无效|只能|必须|[仅只]支持"),
)  # fmt: skip
"""Words that refuse the system role, or turns of a conversation that don't alternate."""


@cache
def _compiled_rules(rules: tuple[Rule, ...]) -> tuple[tuple[Meaning, list[tuple[bool, re.Pattern[str]]]], ...]:
    """Return the rules; compiling them takes a while, which many commands needn't spend."""
    return tuple(
        (meaning, [(part[0] != "!", re.compile(part.removeprefix("!"), re.IGNORECASE)) for part in parts])
        for meaning, *parts in rules
    )


def match_refusal(text: str, *, is_faulty: bool) -> tuple[Meaning | None, int | None]:
    """Return the meaning of an engine's refusal, None if no rule holds, and the limit of pictures in it.

    Args:
        text: Words of the engine.
        is_faulty: Whether its status says that the request is at fault.
    """
    meaning, sentence = _first_match((*dialects().refusals, *_RULES, *(_LOOSE_RULES if is_faulty else ())), text)
    return meaning, _limit(sentence, text) if meaning == "picture_count" else None


def _first_match(rules: tuple[Rule, ...], text: str) -> tuple[Meaning | None, str]:
    """Return the meaning of the first rule that holds for a sentence, else for the whole text, and the sentence."""
    whole = text[:_LONGEST_TEXT].replace("\n", " ")
    for sentences in (_SENTENCE.findall(text[:_LONGEST_TEXT]), [whole[:_LONGEST_SENTENCE]]):
        for meaning, parts in _compiled_rules(rules):
            for sentence in sentences:
                if all(bool(pattern.search(sentence)) == is_needed for is_needed, pattern in parts):
                    return meaning, sentence
    return None, ""


def _limit(sentence: str, text: str) -> int | None:
    """Return the most pictures that an engine accepts: the least number of pictures in the sentence, or the text."""
    numbers = _NUMBER_OF_PICTURES.findall(sentence) or _NUMBER_OF_PICTURES.findall(text)
    return min(map(int, numbers), default=None)


def refuses_roles(text: str) -> bool:
    """Return whether the words refuse the roles of a request's messages.

    >>> refuses_roles("System role not supported")
    True
    """
    return _first_match(_ROLE_RULES, text)[0] is not None


def share_allowed(text: str) -> float | None:
    """Return how much of a request the engine would accept, by the two largest numbers of its refusal.

    >>> share_allowed("The input (8000 tokens) is longer than the model's context length (2000 tokens).")
    0.25
    """
    numbers = sorted({int(number) for number in _NUMBER.findall(text.replace(",", ""))})
    return max(_LEAST_SHARE, numbers[-2] / numbers[-1]) if len(numbers) > 1 else None


def match_parameter(text: str, sent: Collection[str]) -> tuple[str, str] | None:
    """Return the optional parameter of a request that the words refuse, with any value or with the value sent.

    With it comes the parameter that they name in its place, or "". None if they refuse no optional parameter.

    >>> match_parameter("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", {"max_tokens"})
    ('max_tokens', 'max_completion_tokens')

    Args:
        text: Words of the engine.
        sent: Names of the request's parameters.
    """
    if match_refusal(text, is_faulty=True)[0] not in (None, "format", "value"):
        return None
    for name in (name for name in _OPTIONAL if name in sent):
        kind, *rest = name.split("_")
        # Gemini names both penalties by the last word alone.
        wording = rf"(?:{kind}[_ ]?|(?<![a-z] ))penalty" if rest == ["penalty"] else name.replace("_", "[_ ]?")
        wording = rf"(?<![A-Za-z_]){wording}(?![A-Za-z_])"
        if re.search(f"{_REFUSES_NEXT}{wording}|{wording}{_REFUSES_BEFORE}", text, re.IGNORECASE):
            is_renamed = name == "max_tokens" and _INSTEAD.search(text)
            return name, "max_completion_tokens" if is_renamed else ""
    return None
