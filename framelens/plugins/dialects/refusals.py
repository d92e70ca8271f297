"""Refusals in the words of products, as rules that go before those of `framelens.llm.refusal_wordings`.

A rule describes a content rather than a product, since gateways pass on each other's words, and translate them.
"""

from framelens.plugin.chat import Rule

_LENGTH = r"(?:kontext|context[eo]|контекст|コンテキスト|컨텍스트|トークン|토큰|上下文|会话)"
_EXCESS = r"(?:überschr|excede|supera|dépass|превы|超え|초과|已满|最大长度|长度为 ?\d+.{0,60}?\d)"
RULES: tuple[Rule, ...] = (
    ("model", r"decommissioned|does not exist or you"),
    # How much a request may have.
    ("context", _LENGTH, _EXCESS),
    ("context", r"tokens? (?:per|a) |tokens_limit", r"request too large|too large for"),
    ("context", r"input_length_error|context shift is disabled|find (?:a |free )*(?:memory|kv|space)"
                r"|max input characters|reduce the length|position_embeddings|only \d+ fit|too long for requested"
                r"|tokens?\b.{0,60}? less than or equal"),
    ("picture_size", r"image_url\W{1,3}url\W{1,3}string too long|bytes per data-uri|within the allowed range"
                     r"|图像?.{0,60}?分辨率"),
    ("picture_shape", r"图.{0,60}?(?:最小边|大于 ?\d+ ?像素)"),
    ("picture_count", r"data-uris? per request|\bmedia\b.{0,60}?\d.{0,60}?(?:>|limit)"),
    ("bytes", r"toobigbody|length limit exceeded|requestsize|larger than max\b|status code 413"
              r"|(?:文件|请求|数据).{0,60}?(?:大小|总).{0,60}?超"),
    # A model without pictures: it takes words alone.
    ("pictures", r"content|message|type|input|jinja|expected", r"\b(?:a |valid )?str(?:ing)?\b|\[\]|untagged enum"
                 r"|unknown contentitem|item type in content|字符串",
     r"must|should|expected|invalid|unmarshal|unsupported|match|un|必须"),
    ("pictures", r"input should be|expected|permitted|supported values|取值范围",
     r"(?:'text'|`text`|\"text\")(?!.*image_url)", "!response_format"),
    ("pictures", r"unknown variant|unsupported content|invalid value\W+image", r"image"),
    ("pictures", r"missing data required for image|failed to tokenize prompt|number of bitmaps|no vision tower"
                 r"|[仅只]支持(?:纯)?文本|list\W+(?:to str|object)"),
    ("image", r"illegal base64|image url should be"),
    # The account, the moment, the contents.
    ("model", r"\bmodels?(?:id)?\b|模型|deployment|llm provider",
     r"access|permission|权|eligible|activated|disabled|blocked|allowed"
              r"|渠道|resolve|not valid|not a valid|invalid model(?: name| ?[:'=])|unsupported model"
              r"|model not support\b|model \S+ is not supported|unrecogni[sz]ed|name is missing|specify"
              r"|named|on-demand|find|llm provider|deployment.{0,60}?does not exist",
     r"!image|vision|input|tool|system|param|json|temperature|penalty|max_?\w*tokens"),
    ("busy", r"饱和"),
    ("quota", r"quota|your budget|over budget|exceededbudget|more credits|credits? balance|included credits"
              r"|(?:usage|spending|key|free tier|inference)\b.{0,60}?(?:limit|exhausted)|suspended"
              r"|good standing|[额余](?:度|额|量)|欠费|使用上限", "!increase"),
    ("busy", r"繁忙|服务器?忙|压力|排队|频率(?!惩罚)|并发|concurrency|high traffic|healthy"
             r"|(?:full|long) queue|queue.{0,60}?(?:full|long|exceed)|slow down|please wait|waited too long"
             r"|request limit\b|tier capacity|status code 429|(?:is|still|currently) loading|not ready|try again at"),
    ("filter", r"inspection|sensitive|flagged|high risk|exists risk|prohibited|敏感|审核|违规"),
    ("key", r"鉴权|认证|令牌|密钥|login fail"),
    ("place", r"(?:country|region|territory|location)\b.{0,60}?not|have been blocked|legal reasons|法律"),
    ("crash", r"runner (?:process )?has|model has crashed|unixsocket|\bpost predict"),
    ("template", r"not callable: null|raise_exception"),
    ("path", r"https (?:port|server)|unexpected endpoint"),
    ("format", r"no endpoints found that can handle"),
    ("model", r"no endpoints (?:found|available)", "!support"),
)  # fmt: skip
