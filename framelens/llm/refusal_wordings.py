"""Wordings by which engines, gateways and proxies refuse a request, each with its meaning.

The same refusal has another wording in every product and version, so most rows describe the content (a picture, a
length, a limit) and not the product. The first row that matches decides. A new wording is a new row; a named group
`limit` is the most pictures that the engine accepts.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Literal

Meaning = Literal[
    "pictures", "picture_count", "single_picture", "picture_size", "picture_shape", "image", "bytes", "quota", "busy",
    "filter", "key", "model", "format", "value", "context", "tools", "path", "gateway", "timeout", "place", "template",
    "crash", "many_tokens", "large", "not_loaded",
]  # fmt: skip
"""What is refused: pictures at all, so many pictures, more than one, a picture of this size, one this narrow, an
unreadable picture, so many bytes, an account without credit, a request at this moment, these contents, the key, the
model's name, a schema or an unknown field, the value of an option, so many tokens, tools, the path of the address, a
place on Earth or the law; or a proxy can't reach the engine, or doesn't wait longer for it; or no prompt can be made,
since the model's chat template is missing or broken; or the process of the model has ended. "many_tokens" and "large"
are `context` and `bytes` in words that also describe a limit per minute, "not_loaded" is `model` in words that also
describe a starting engine."""
_PICTURE = r"(?:image|picture|photo|media (?:item|part))s?"
_COUNT = (
    r"(?<![A-Za-z])(?P<limit>\d{1,4})\b"
    r"(?! ?(?:[KMG]i?B\b|bytes|px\b|(?:mega)?pixels?|tokens?|[x×] ?\d|[.,]\d|%|像素|字节|兆))"
)
"""A number of pictures, not of what a picture has."""
_EXCESS = (
    r"(?:exceed\w*|(?:long|larg|great|bigg)er than|more than|too (?:long|large|big|many)|overflow\w*"
    r"|(?:does not|doesn't|not|cannot) (?:enough )?fit|not enough|(?:reduce|shorten) (?:the|your)"
    r"|(?:must|should|can ?not|can't) (?:not )?be (?:short|less|small|great|larg|long|<|\[)\w*"
    r"|\d\)? ?>=? ?(?:\w+ ?[(:=]? ?)?\d|only \d+ (?:tokens? )?fit"
    r"|smaller than (?:the|your) (?:prompt|input)|over the (?:limit|max\w*)|超[过出长]|过长|太长)"
)
_LENGTH = (
    r"(?:context|prompts?|inputs?|(?:input|prompt|total)[_ ](?:tokens?|length)|tokens?|sequence|(?:max|model)\w*_len\w*"
    r"|model length|session|max(?:imum)? (?:\w+ )?length|n_ctx|num_ctx|上下文|输入长度|输入内容|提示词?)"
)
_CONTEXT = (
    r"(?:context[_ ](?:length|size|window|limit)|max(?:imum)?[_ ](?:model[_ ])?context|n_ctx|num_ctx"
    r"|max\w*_len\w*|(?:input|prompt|sequence|token|model) length|max(?:imum)? (?:\w+ )?length|model (?:token )?limit"
    r"|上下文|长度|kontext|context[eo]|контекст|コンテキスト|컨텍스트)"
)
"""Lengths that only a context has, while a number of tokens may also be a limit per minute."""
_LENGTH_ELSEWHERE = r"(?:kontext|context[eo]|контекст|токен|コンテキスト|トークン|컨텍스트|토큰|jetons?|tokens?)"
_EXCESS_ELSEWHERE = r"(?:überschr|excede|supera|dépass|превы|超え|超過|上限|초과)"
"""Stems in German, French, Italian, Portuguese, Spanish, Russian, Japanese and Korean: gateways are translated."""
_BROAD: Mapping[Meaning, Meaning] = {"many_tokens": "context", "large": "bytes", "not_loaded": "model"}
_ROWS: tuple[tuple[Meaning, str], ...] = (
    ("timeout", r"deadline[_ ](?:was |has been )?exceeded|\b(?:took|taking) too long"
                r"|\b(?:request|upstream|gateway) time(?:d[ -]?|-)?out\b"),
    # More pictures than accepted. "At most 0" means that no picture is accepted.
    ("picture_count", rf"at most (?P<limit>\d+) (?:{_PICTURE}|video)"),
    ("picture_count", r"you set (?:or defaulted to )?\W{0,4}(?:image|video)\W{1,4}(?P<limit>\d+)"),
    ("picture_count", rf"\d {_PICTURE}\W{{0,3}}>=?\W{{0,3}}{_COUNT}"),
    ("picture_count", rf"\d {_PICTURE}\b[^()\d]{{0,40}}?exceed\w* (?:the )?(?:max\w*|limit)(?: of)? {_COUNT}"),
    ("picture_count", rf"{_PICTURE} per \w+ (?:is |are )?(?:limited to|exceeded)\W{{1,3}}{_COUNT}"),
    ("picture_count", rf"{_PICTURE}\b.{{0,80}}?(?:\d|count)\W{{0,3}}>=?\W{{0,3}}{_COUNT}"),
    ("picture_count", rf"too many {_PICTURE}\b.{{0,120}}?(?:max\w*|limit\w*|up to|at most|supports?|only)\D{{0,60}}?"
                      rf"{_COUNT}"),
    ("picture_count", rf"(?:max(?:imum)?|limit\w*|up to|no more than|fewer than|only)\b\D{{0,40}}?\b(?P<limit>\d+) ?"
                      rf"{_PICTURE}(?:_urls?)?\b(?!-)"),
    ("picture_count", rf"(?:number|count|amount) of {_PICTURE}(?:_urls?)?\b.{{0,60}}?(?:exceed\w*|more than|over"
                      rf"|great\w*|larg\w*|less|at most|max\w*|limit|<=?|:(?! ?(?:got|received|found)))"
                      rf"\D{{0,60}}?{_COUNT}"),
    ("picture_count", rf"{_PICTURE}(?:_urls?)? (?:count|number|quantity|limit)\b.{{0,60}}?(?:exceed\w*|limit"
                      rf"|max\w*|more than|over|less than|at most|up to|<=?)\D{{0,40}}?{_COUNT}"),
    ("picture_count", rf"(?:more than|exceeds) (?P<limit>\d{{1,4}}) {_PICTURE}\b(?!-)"),
    ("picture_count", rf"{_PICTURE}\b.{{0,80}}?(?:\bonly {_COUNT} (?:are|is|can|were|may)\b)"),
    ("picture_count", rf"max\w*[_ ](?:num\w*(?: of)?[_ ])?{_PICTURE}\w*(?: per \w+)?(?: is| are| limit of)?\W{{1,4}}"
                      rf"{_COUNT}"),
    ("picture_count", rf"{_PICTURE}\b.{{0,40}}?at most {_COUNT} items?\b"),
    ("picture_count", rf"{_PICTURE}\b.{{0,40}}?\b(?:accepts|allows|takes|handles|supports) (?:up to |only )?{_COUNT}"),
    ("picture_count", rf"{_PICTURE}\b.{{0,24}}?\b(?P<limit>\d{{1,4}}) (?:are |is )?allowed"),
    ("picture_count", rf"\b(?:handle|take|process|accept)s? (?P<limit>\d{{1,4}}) {_PICTURE}\b(?!-)"),
    ("picture_count", rf"{_PICTURE}\b.{{0,40}}?\b(?:limit|maximum|allowed) is {_COUNT}"),
    ("picture_count", rf"max(?:imum)? data-uris? per request\D{{1,5}}{_COUNT}"),
    ("picture_count", r"(?:最多|上限|不超过|不能超过|至多|[仅只]支持|限制)\D{0,12}?(?P<limit>\d+) ?[张幅个]?图"),
    ("picture_count", r"图[片像]?的?(?:数量?|张数|个数).{0,16}?\d ?[>＞] ?(?P<limit>\d+)"),
    ("picture_count", r"图[片像]?的?(?:数量|张数|个数|数)\D{0,10}\d*\D{0,6}?(?:超|最多|不能|不得|上限|限制)"
                      r"\D{0,12}?(?P<limit>\d+)"),
    ("picture_count", r"图[片像]?\D{0,8}?(?:不能|不得|不可|最多)?(?:超过|多于|为) ?(?P<limit>\d+) ?[张幅个]"),
    ("picture_count", r"(?:image_url|image|media)\w* ?(?:数量|个数|张数)\D{0,16}?(?P<limit>\d+)"),
    ("single_picture", rf"(?:only|supports?|maximum of) (?:supports? |accepts? )?(?:an? )?"
                       rf"(?:single|one|1)[ -]{_PICTURE}\b"
                       rf"|(?:one|single) {_PICTURE} (?:per|at a time|only)|more than one {_PICTURE}"
                       rf"|at most one {_PICTURE}\b(?! (?:format|type))|\b{_PICTURE}\b.{{0,40}}?\bat most one\b"
                       r"|multi(?:ple|-)[ -]?images? (?:\w+ )?(?:are |is )?(?:not|n't|un)|(?:not|n't) support(?:ed)? "
                       r"multi(?:ple|-)[ -]?images?\b|[仅只](?:支持|接受|能|允许).{0,6}?[单一][张幅个]图"),
    ("picture_count", rf"too many {_PICTURE}\b|number of {_PICTURE}(?:_urls?)? exceed"
                      r"|图[片像]?(?:数量|张数)?(?:过多|太多)"),
    # A model or server without pictures.
    ("pictures", r"is not (?:an? )?(?:multi-?modal|vision|visual|VLM)\b"),
    ("pictures", rf"\b(?:{_PICTURE}|vision|multi-?modal)[ _]?(?:inputs?|content|data|urls?|understanding)?"
                 r"(?: (?:block|part|modality))?[\"'`]* (?:(?:is|are)? ?(?:not|n't) "
                 r"(?:supported|enabled|available|allowed|accepted)|(?:is|are) disabled)"),
    ("pictures", r"(?:does|do|can|is)(?: ?not|n't) (?:support|accept|take|handle|understand|see|use) "
                 rf"(?:the )?(?:\w+ )?(?:type )?(?:{_PICTURE}|vision|multi-?modal|visual)"
                 r"(?![\w ]* (?:format|type|size|larger|bigger|over|above))"),
    ("pictures", r"(?:can|could)(?: ?not|n't) process (?:image|vision|multi-?modal) inputs?"),
    ("pictures", r"not supported (?:for|with) (?:vision|image)"),
    ("pictures", r"(?:only supports?|supports? only) text|text-only|only text (?:content |inputs? )?(?:is|are)\b"),
    ("pictures", r"\bmmproj\b|no (?:vision|image) (?:support|models?|encoder|processor|projector|tower)\b"),
    ("pictures", r"missing data required for image"),
    ("pictures", r"\b(?:vision|image|multi-?modal)[\w -]{0,16} (?:is |was )?not (?:loaded|installed|present)"),
    ("pictures", r"image_url is only supported by|image_url[\"'`]* (?:\w+ ){0,3}(?:not|n't) (?:supported|allowed)"),
    ("pictures", r"only \W?\[.{0,80}?support image|unexpected item type in content"),
    ("pictures", r"(?:unsupported|unknown|unexpected|invalid|unrecognized)[\w ]* (?:type|variant|part|field)\W.{0,30}?"
                 r"image(?!/)|(?:unsupported|unexpected|invalid) value\W{1,4}(?:input_)?image(?:_url)?\b(?!/)"),
    ("pictures", r"content\b\S{0,12}?\btype\b.{0,24}?(?:should be|must be|permitted:?|expected) \W?text\b"
                 r"(?!.{0,60}?image)"
                 r"|\b(?:unmarshal|deserialize|decode) (?:an? )?(?:array|list)\b.{0,80}?\bcontent\b.{0,24}?\bstring"
                 r"|input (?:must|should) be \W?text\b(?!.{0,60}?image)"
                 r"|unknown content ?item type|unsupported content\[\]\.type|message content type: \[\]"),
    ("pictures", r"content(?:\W.*)?(?:should|must) be (?:a )?(?:valid )?str|valid string\b.{0,40}?\bcontent"
                 r"|content\b.{0,12}?expected (?:a )?string, (?:but )?got|can only concatenate str"
                 r"|content\b.{0,16}?必须[为是]字符串|content\.type\W{0,4}参数非法|image_url\W+is not of type"),
    ("pictures", r"image tokens to 0 placeholders|found 0 prompt placeholders|tokens do not match: tokens: 0\b"),
    ("pictures", r"vision models? (?:is|are) not supported|(?:does not|doesn't) have (?!enough)"
                 r"(?:\w+ ){0,2}\W?(?:vision|image)\b"),
    ("pictures", r"\bcontent\b.{0,60}?\bstr type expected"),
    ("pictures", r"invalid type: (?:sequence|array|list), expected (?:a )?string|expected string content"
                 r"|expected str instance, list found|text input must be of type `?str"
                 r"|'list' object has no attribute '(?:strip|split|startswith|replace|lower|encode)'"),
    ("pictures", r"no endpoints found that support image|not compiled for multimodal"
                 r"|untagged enum \w*(?:message|messagecontent|requestcontent)\b|failed to tokenize prompt"
                 r"|number of (?:bitmaps|media markers)\b"),
    ("pictures", r"(?:不支持|不接受|无法处理|不能处理)[^。，,；]{0,8}?(?:图[片像文]|视觉|多模态|image_url)"
                 r"(?!格式|大小|尺寸|过|超)"),
    ("pictures", r"(?:图[片像]|视觉|多模态)(?:输入|内容|理解|能力)?(?:不受|暂不|不)支持"),
    ("pictures", r"[仅只]支持(?:纯)?(?:文本|文字)"),
    ("pictures", r"[非不]是?(?:多模态|视觉)模型"),
    # A single picture.
    ("picture_shape", r"aspect ratio\b.{0,40}?(?:must|should|smaller|exceed|too|limit)"
                      r"|must be larger than (?:factor|\d+)"
                      r"|\b(?:image|picture|width|height|side|dimension)s?\b.{0,40}?(?:\btoo (?:small|narrow)\b"
                      r"|\b(?:smaller|less) than (?:the )?(?:min\w*|\d+ ?(?:px|pixels?|x)\b)"
                      r"|\bat least \d+ ?(?:px|pixels?|x))|宽高比|长宽比"
                      r"|图[片像]?.{0,12}?(?:过小|太小|尺寸不符|(?:大于|不小于|不低于|至少) ?\d+ ?(?:像素|px))"),
    ("image", r"(?:illegal|invalid) base64|failed to load image|cannot identify image|must be a base64[- ]encoded image"
              r"|unsupported (?:\w+ )?type\W{1,4}image/|image: unknown format"
              r"|image[_ ]?url (?:is (?:invalid|illegal)|should be a valid)"
              r"|image file is truncated|broken data stream"
              r"|(?:invalid|illegal|corrupt\w*|unsupported) (?:base64 )?image\b(?! url\b)"
              r"|image (?:media )?(?:format|type)(?: is| \S+)? (?:illegal|invalid|not supported|unsupported)"
              r"|(?:could|can|unable|failed)(?: ?not|n't| to)? "
              r"(?:process|decode|open|read|parse|download|fetch|make \w+ embedding from) (?:the |an? )?"
              r"(?:(?:input )?image|(?:multi-?modal|media) (?:content|data))|image (?:decod|pars)\w+ (?:error|failed)"
              r"|图[片像]?(?:输入|文件| ?base64 ?)?(?:格式|解析|解码|下载|尺寸不符)"
              r"|无法(?:解析|解码|读取|打开|下载).{0,4}?图"),
    ("bytes", r"total size\b.{0,40}?(?:exceed|too large|over)"),
    ("picture_size", r"image_url\W{1,3}url\W{1,3}string too long"),
    ("picture_size", r"image items? with .{0,40}?\bexceed|max bytes per data-uri"),
    ("context", r"video items? with .{0,40}?\bexceed"),
    ("picture_size", rf"(?<!total )(?<!base64 )\b{_PICTURE}\b.{{0,40}}?(?:exceed\w*|(?:larg|bigg)er than"
                     r"|too (?:large|big)|over)\b.{0,40}?"
                     r"(?:[KM]i?B\b|bytes|pixels?|px\b|megapixel|resolution|dimension|size)"),
    ("picture_size", r"(?<!total )\b(?:image|multi-?modal|media) (?:file )?(?:size |is |size is )?too (?:large|big)"
                     r"|(?<!total )image (?:size|resolution|dimension|pixel|width)\w*\b.{0,40}?"
                     r"(?:exceed|too|larger|limit|maximum|must be|not within)"
                     r"|size of (?:the |an? )?(?:\w+ )?image\b.{0,40}?(?:exceed|too|larger|limit)"),
    ("picture_size", r"图[片像]?.{0,8}?(?:过大|太大|分辨率.{0,4}?高|(?:不能|不得)超过.{0,8}?(?:[KM]i?B|兆|字节|像素)"
                     r"|(?:大小|尺寸|像素|分辨率).{0,6}?(?:超|不能|不得|限制))"),
    # A request that an account or a moment doesn't allow. "Too large" on tokens a minute is a length, not a moment.
    ("context", r"tokens_limit_reached|max size: \d+ tokens|request too large for (?:model|gpt|\S+ in organization)"
                r"|reduce (?:the length|your message size)"),
    ("context", r"\b(?:message|prompt|input)s? length (?:is )?too (?:large|big|great)"
                r"|\bcontext (?:\w+ )?(?:is )?full\b"),
    ("busy", r"负载.{0,4}饱和"),  # new-api labels it as a quota
    ("quota", r"insufficient[_ ]\w*[_ ]?(?:quota|balance|credits?|funds)|credit balance|(?:more|out of|no) credits"
              r"|exceeded (?:\w+ ){0,3}credits?\b"
              r"|exceeded (?:your current|\w+'s|the|my) quota|free allocated quota"
              r"|billing[_ ]hard[_ ]limit|quota[\w ]{0,20}(?:exhausted|not enough|used up)"
              r"|balance (?:is )?(?:insufficient|too low|not enough)|overdue balance|account\b.{0,40}?\bsuspended"
              r"|spending limit|\bkey limit exceeded|budget (?:has been |is )?exceeded|\bover budget\b"
              r"|reached the set \w+ limit"
              r"|free tier\b.{0,40}?\bexhausted|free_?tier_?only|(?:monthly|weekly|usage|spend) (?:usage )?limit"
              r"|[额余](?:度|额|量)(?:不足|已用|用尽|已耗尽|超)|额度失败|欠费|使用上限|arrearage|good standing"),
    ("model", r"无可用渠道|no available channel|model[ ._]?access[ ._]?denied"
              r"|(?:not (?:allowed|authori[sz]ed|permitted|entitled) to|can only) (?:access|use|call) "
              r"(?:\w+ )?models?\b"
              r"|(?:no|not have|n't have|without) (?:access|permission)s? (?:to|for) "
              r"(?:(?:access|use|call|invoke|query) )?(?:\w+ )?models?\b"
              r"|\baccess to (?:the )?model (?:\S+ )?(?:is )?denied"
              r"|无权.{0,6}?模型|(?:没有|无)权限.{0,6}?模型|(?:没有|无).{0,8}?模型.{0,8}?权限"
              r"|model\b.{0,40}?\bnot (?:been )?(?:activated|open)\b"
              r"|not activated (?:the )?model\b"),
    ("place", r"\b(?:country|region|territory|location)\b.{0,40}?\bnot (?:supported|available|allowed)"
              r"|不支持.{0,10}?(?:地区|区域)|(?:地区|区域).{0,6}?不(?:受|可)?(?:支持|用)"
              r"|\byou have been blocked\b|\blegal reasons\b|法律(?:原因|要求)"),
    ("busy", r"(?:model|server|engine|instance)(?: \S+)? is (?:not (?:yet )?ready"
             r"|(?:still |currently )?(?:being loaded|loading|starting|warming)\b)"
             r"|rate[-_ ]?limit|current requests? limit|requests? limit (?:is |was )?(?:reached|exceeded)"
             r"|status code 429\b|\ball slots are busy"
             r"|(?:at|reached) (?:its |the )?max(?:imum)? capacity"
             r"|\bwait (?:before|and) (?:re|try|send)|slow down|\b(?:wait|queu)\w* too long"
             r"|high traffic|no healthy (?:deployment|upstream)s?"
             r"|too many (?:concurrent )?requests|(?:requests?|tokens?|images?|queries) per[ -]?"
             r"(?:second|min|hour|day)|\b[RTQ]P[MS]\b|over(?:loaded|_capacity| capacity)|at capacity|throttl"
             r"|tier capacity exceeded"
             r"|temporarily (?:unavailable|overloaded)|(?:server|engine|model|system)(?: is)? (?:too )?busy"
             r"|(?:try|retry)(?: your request)? again (?:later|in|after)|retry (?:later|shortly)"
             r"|(?:访问|请求)量.{0,2}[过太较]大|(?:full|long) queue|resource[_ ]exhausted"
             r"|queue(?: is| size| length)? (?:too |exceed|full|over|limit|reached)"
             r"|concurrency limit|负载.{0,4}(?:饱和|过高|较高)|繁忙|服务器?忙|压力(?:较|过)大|稍[后候](?:再|重)试"
             r"|稍[后候]$|排队|限流|频繁|请求频率|速率限制|请求[数量]*过多|并发"),
    ("filter", r"content[_ ]?(?:filter|management policy|policy|safety)|data_?inspection_?failed|inappropriate content"
               r"|sensitive (?:content|words|information)|responsible_?ai|safety (?:system|filter|polic)"
               r"|(?:input|output|prompt|image|text)s? (?:(?:is|are) )?(?:\w+_)?sensitive\b"
               r"|\bflagged (?:as|by|for)\b|\bmoderation\b"
               r"|considered high risk|content exists risk|prohibited_?content|内容安全|敏感[词内信]|违规|不合规"
               r"|审核|不安全或敏感"),
    ("template", r"chat[_ ]template\b.{0,60}?(?:no longer allowed|not set|missing|not (?:found|define))"
                 r"|template error|(?:prompt|chat|jinja) template\b.{0,60}?error|error rendering prompt"
                 r"|is not callable: null at row|raise_exception\("),
    ("crash", r"runner (?:process )?has (?:terminated|unexpectedly stopped)|\bmodel has crashed\b|enginedeaderror"
              r"|remote server unixsocket\S* closed|enginecore encountered an issue|\bpost predict: .{0,80}?\beof\b"),
    # The number of bytes.
    ("bytes", r"(?:entity|payload|content|body|message|request)(?: \w+){0,2}[_ ]too[_ ](?:large|big)"
              r"|(?:entity|payload|body)(?: \w+){0,2}[_ ]too[_ ]long"),
    ("large", r"(?:content|message|request)(?: \w+){0,2}[_ ]too[_ ]long"),
    ("bytes", r"too ?big ?body|body buffer overflow|too large body|TooLargeError|RequestSize"
              r"|maximum allowed content length|max bytes to request"),
    ("bytes", r"\bits size \(\d+\) exceeds|(?:body|payload|request) (?:is )?(?:bigg|larg)er than \d"),
    ("bytes", r"length limit exceeded|larger than max\b|status(?: code)? 413\b"),
    ("bytes", r"(?:body|payload|request|message|total)(?: (?:body|payload|image))?(?: size| length)?\b.{0,40}?"
              r"(?:exceed\w*|larger than|over|beyond)\b.{0,40}?(?:[KM]i?B\b|bytes|max\w* (?:body |request )?size)"),
    ("bytes", r"max(?:imum)?[_ ](?:request|body|payload)[_ ]?(?:body[_ ])?(?:size|length)"),
    ("bytes", r"request exceeds the maximum size|smaller than \d+ ?[km]i?b?\b"),
    ("bytes", r"total (?:\w+ )?(?:images?|pictures?|pixels?|size)\b.{0,40}?(?:exceed|too large|over)"),
    ("bytes", r"(?:body|payload|request|message) size\b.{0,40}?(?:exceed|larger than|over\b|limit)"),
    ("large", r"(?:请求|数据).{0,4}?(?:过大|太大)"),
    ("bytes", r"(?:请求体|请求大小|总大小|文件大小|数据包).{0,8}?超"),
    # The rest of the request.
    ("tools", r"tool[- _]choice requires|enable-auto-tool-choice|tool-call-parser|tools param requires"
              r"|no endpoints found that support (?:\w+ ){0,2}\W?tool"
              r"|(?:does not|doesn't|not) support (?:tools?|function)|tools? (?:calling )?(?:is|are) not supported"
              r"|不支持.{0,6}?(?:工具|函数)(?:调用)?"),
    ("key", r"(?:invalid|incorrect|wrong|missing|expired|no|provide)\b[\w' ]{0,24}\b"
            r"(?:api[-_ ]?key|access token|credentials)"),
    ("key", r"api[-_ ]?key\b.{0,30}?(?:invalid|not valid|not found|expired|required|missing|incorrect)"
            r"|invalid_?api_?key"
            r"|(?:missing|no) authorization\b|authorization header\b.{0,16}?(?:missing|required)"),
    ("key", r"unauthori[sz]ed|login fail|not logged in|authentication (?:failed|fails|required|error)"),
    ("key", r"令牌.{0,6}?(?:无效|过期|不可用|不存在|禁用)|无效的令牌|未提供令牌|密钥.{0,4}?(?:无效|错误|过期)"
            r"|(?:鉴权|认证|身份验证)失败"),
    ("model", r"\bmodels?\b.{0,80}?(?:(?:does not|doesn't|not) exist|not (?:be )?(?:found|served|available))"),
    ("not_loaded", r"\bmodels?\b.{0,80}?not (?:be )?loaded|\bmodel (?:\S+ )?(?:is |was )?unloaded\b"
                   r"|no models? (?:is |are )?loaded"),
    ("path", r"plain http request was sent to https port|sent an http request to an https server"),
    ("path", r"\bunexpected endpoint\b|\binvalid url \(\w+ /"),
    ("model", r"(?:could not|couldn't|cannot|can't) find (?:\w+ ){0,2}model(?:id|name)?s?\b"
              r"|requested model\b.{0,60}?\bnot supported"),
    ("model", r"\bdecommissioned\b|\bmodel\b.{0,60}?\bblocked at the (?:organization|project)"),
    ("model", r"(?:no such|unknown|unrecogni[sz]ed) model\b|\bmodel identifier\b"
              r"|(?:invalid|not a valid) model (?:id|name)|model disabled"
              r"|invalid model ?[:=\"'`“]|allowed now, your model"
              r"|model_not_found|try pulling it"),
    ("model", r"模型.{0,20}?(?:不存在|未找到)|(?:未找到|找不到|不支持的)(?:该|此)?模型"
              r"|(?:\bun|\bnot )supported model\b|model not support\b|no model named|model is required"
              r"|(?:specify|provide) a (?:valid )?model\b|model name is missing|LLM provider not provided"),
    ("format", r"no endpoints found that \w+(?: \w+)? the (?:requested|provided) param"),
    ("model", r"\bno endpoints (?:found|available)\b|\bon-demand throughput\b"),
    ("format", r"response_format|json_schema|\bjson[ -]?(?:schema|mode|object|output)\b|json_(?:mode|object)"
               r"|json ?(?:模式|格式|输出)|结构化输出|logprobs"),
    ("context", r"max(?:imum)?[_ ](?:model[_ ]len|context|input[_ ](?:tokens|length|characters))|range of input length"
                r"|context[_ ](?:length|size|window)[_ ]exceed|exceed[_ ]context|decoder prompt"
                r"|max_tokens must be at least 1, got -|max_tokens \(-\d+\) must be"),
    ("context", r"(?:input|prompt|message)s?\W{1,3}(?:and|plus|\+)\W{1,3}max_(?:new_)?tokens\W{1,3}"
                r"(?:must|should|exceed)"
                r"|context shift is disabled|(?:max(?:imum)?|model's) (?:prompt|input|sequence) length"
                r"|input_length_error|`inputs`"),
    ("many_tokens", r"\btoken limit\b"),
    ("value", r"\binput should be\b|max_tokens\W* is not supported|\bnumber of output tokens\b"),
    ("value", r"(?:temperature|top_[pk]|min_p|\w+_penalty|seed|\bstop(?: sequences?)?)\b.{0,40}?"
              r"(?:must|should|too|range|less|greater|exceed|at most|between|cannot|不能|必须|范围)"),
    ("value", r"max_(?:completion_|new_|output_)?tokens\b.{0,40}?(?:too large|must|should|range|less|at most|exceed)"),
    ("value", r"range of max_(?:completion_)?tokens|max_\w*tokens\W{0,4}(?:超出范围|取值|参数|最大|不能|必须|应)"),
    ("context", rf"{_CONTEXT}.{{0,120}}?(?:{_EXCESS}|{_EXCESS_ELSEWHERE})"
                rf"|(?:{_EXCESS}|{_EXCESS_ELSEWHERE}).{{0,120}}?{_CONTEXT}"
                r"|\b(?:prompt|input)(?: \(\d+ tokens\))? (?:(?:is )?too (?:long|large)|超长)"),
    ("many_tokens", rf"{_LENGTH}\b.{{0,120}}?{_EXCESS}|{_EXCESS}.{{0,120}}?\b{_LENGTH}"),
    ("many_tokens", r"(?:上下文|输入|提示词?|内容|文本|消息|会话|对话|tokens?|prompt\w*).{0,20}?"
                    r"(?:超(?!时)|过长|太长|大于|达到.{0,4}?(?:最大|上限)|应?[小少]于)|超.{0,16}?(?:上下文|tokens?|长度)|最大输入长度"),
    ("many_tokens", r"kv cache (?:is )?(?:full|exhausted)|free space in the kv cache|token budget\b.{0,24}?\bused up"
                    r"|(?:at most|up to|maximum of) \d{3,} tokens\b"),
    ("context", r"\b(?:n_ctx|num_ctx|context(?: \w+)?) (?:is )?too (?:small|short)\b"
                r"|(?:prompt|request|input) (?:has|contains|is|of|with) \d+ tokens\b.{0,60}?"
                r"\bonly (?:supports|accepts|has)\b"
                r"|\bfind (?:a |free )*(?:memory|kv) slot\b|上下文.{0,8}?已满"
                r"|上下文(?:长度|窗口).{0,4}?\d+.{0,12}?(?:请求|输入|提示).{0,12}?\d"),
    ("context", r"(?:>|exceeds) ?max_position_embeddings|mismatch in `?\w+`? token count"),
    ("many_tokens", rf"{_LENGTH_ELSEWHERE}.{{0,60}}?{_EXCESS_ELSEWHERE}"
                    rf"|{_EXCESS_ELSEWHERE}.{{0,60}}?{_LENGTH_ELSEWHERE}"),
)  # fmt: skip
_LOOSE_ROWS: tuple[tuple[Meaning, str], ...] = (
    ("context", r"context (?:size|length|window)|too long"),
    ("format", r"structured[ _]output|guided|grammar"),
    (
        "format",
        r"(?:unsupported|unexpected|unknown|unrecogni[sz]ed|extra) (?:request )?"
        r"(?:fields?|keys?|inputs?|parameters?|arguments?)",
    ),
)
"""Wordings that mean this only in the refusal of a faulty request, not in the words of an engine that breaks down."""
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
_SYSTEM = (
    r"(?:(?:(?<![a-z])(?:system|developer)(?![a-z])|系统)(?:\W{0,3}(?:prompt|message|instruction|turn|field|消息|提示)"
    r"|.{0,12}?(?:role|角色))|(?<![a-z])(?:role|角色).{0,30}?(?<![a-z])system(?![a-z]))"
)
_NOT = (
    r"(?:\bnot\b|n['’]t\b|\bcannot\b|\bno longer\b|\bun(?:supported|known|expected|recogni[sz]ed)\b"
    r"|\b(?:in(?:valid|correct)|illegal|disallowed|forbidden|disabled)\b|[不非无]|错误)"
)
_ROLES = re.compile(
    rf"{_SYSTEM}.{{0,60}}?{_NOT}|{_NOT}.{{0,40}}?{_SYSTEM}"
    r"|\buser\W{1,6}(?:(?:and|or)\W{1,3})?assistant\b|用户.{0,2}?[和与或/、].{0,2}?助手"
    r"|\balternat.{0,60}?\b(?:roles?|user|assistant)\b|\b(?:roles?|user|assistant)\b.{0,60}?\balternat|角色.{0,20}?交替"
    r"|\b(?:successive|consecutive)\b.{0,30}?\b(?:user|assistant|roles?|messages)\b"
    r"|\b(?:user|assistant)\W{0,3}(?:roles?|messages?|turns?) in a row"
    r"|(?:\b(?:start|begin|first)\w*|首条|第一条).{0,40}?(?:\buser\b|用户)"
    r"|\b(?:valid|only\W{1,3}user\W{1,3})(?: message)? ?roles?\b"
    r"|(?<![a-z])(?:role(?![a-z])|角色).{0,60}?(?:\b(?:must|should|can only|has to) be\b.{0,12}?\buser\b"
    r"|不能|不?合法|非法|无效|只能|必须|[仅只]支持)",
    re.IGNORECASE,
)
"""Words that refuse the system role, or turns of a conversation that don't alternate."""


@cache
def _compiled(rows: tuple[tuple[Meaning, str], ...]) -> tuple[tuple[Meaning, re.Pattern[str]], ...]:
    """Return the rows; compiling them takes a while, which many commands needn't spend."""
    return tuple((meaning, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for meaning, pattern in rows)


def match_refusal(said: str, *, is_faulty: bool, is_hurried: bool = False) -> tuple[Meaning | None, int | None]:
    """Return the meaning of an engine's refusal, None if no wording matches, and the limit of pictures in it.

    Args:
        said: Words of the engine.
        is_faulty: Whether its status says that the request is at fault.
        is_hurried: Whether its status says that it is busy or was too slow.
    """
    for meaning, wording in (*_compiled(_ROWS), *(_compiled(_LOOSE_ROWS) if is_faulty else ())):
        if (meaning in _BROAD and is_hurried) or not (match := wording.search(said)):
            continue
        limit = match.groupdict().get("limit")
        return _BROAD.get(meaning, meaning), int(limit) if limit else None
    return None, None


def refuses_roles(said: str) -> bool:
    """Return whether the words refuse the roles of a request's messages.

    >>> refuses_roles("System role not supported")
    True
    """
    return bool(_ROLES.search(said))


def share_allowed(said: str) -> float | None:
    """Return how much of a request the engine would accept, by the two largest numbers of its refusal.

    >>> share_allowed("The input (8000 tokens) is longer than the model's context length (2000 tokens).")
    0.25
    """
    numbers = sorted({int(one) for one in _NUMBER.findall(said.replace(",", ""))})
    return max(_LEAST_SHARE, numbers[-2] / numbers[-1]) if len(numbers) > 1 else None


def match_parameter(said: str, sent: Collection[str]) -> tuple[str, str] | None:
    """Return the optional parameter of a request that the words refuse, with any value or with the value sent.

    With it comes the parameter that they name in its place, or "". None if they refuse no optional parameter.

    >>> match_parameter("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", {"max_tokens"})
    ('max_tokens', 'max_completion_tokens')

    Args:
        said: Words of the engine.
        sent: Names of the request's parameters.
    """
    if match_refusal(said, is_faulty=True)[0] not in (None, "format", "value"):
        return None
    for name in (one for one in _OPTIONAL if one in sent):
        kind, *rest = name.split("_")
        # Gemini names both penalties by the last word alone.
        words = rf"(?:{kind}[_ ]?|(?<![a-z] ))penalty" if rest == ["penalty"] else name.replace("_", "[_ ]?")
        words = rf"(?<![A-Za-z_]){words}(?![A-Za-z_])"
        if re.search(f"{_REFUSES_NEXT}{words}|{words}{_REFUSES_BEFORE}", said, re.IGNORECASE):
            is_renamed = name == "max_tokens" and _INSTEAD.search(said)
            return name, "max_completion_tokens" if is_renamed else ""
    return None
