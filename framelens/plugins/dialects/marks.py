"""Marks of families of models around their reasoning and their answers. A new family is a new row."""

from framelens.plugin.chat import Marks

_NAMES = (
    r"(?:\w+[:_])?(?:(?:ant|deep)?_?think|(?:ant|deep)?_?thinking|thoughts?|(?:thought|thinking)_process|reason"
    r"|reasoning(?:_content)?|rationale|scratchpad|cot|reflection|analysis|(?:inner|internal)_(?:monologue|thoughts)"
    r"|思考|think_\w+)(?::\w+)?"
)
_BARE = r"(?:think|thinking|thought|reasoning)"
_WRAPPERS = r"(?:answer|final_answer|final|response|solution|output|result)"
_HEADING = (r"(?:#{1,6} |\*\*|【)?", r"(?:】|[:：]\*\*|\*\*[:：]|[:：](?!\*)|\*\*[ \t]*(?=\n)|(?<!\*)[ \t]*(?=\n))")
"""Signs before and after the words of a heading: in Markdown, in brackets or with a colon."""
MARKS = Marks(
    rows=(
        ("open", rf"< ?{_NAMES}(?: [^<>\n]{{0,80}})?>|[◁\ufffd]think[▷\ufffd]|\[unused16\]"
                 r"|\[(?:THINK|THINKING|REASONING)\]|<｜think(?:ing)?｜>"
                 rf"|&lt;{_BARE}&gt;|<\|START_THINKING\|>|<unused94>(?:thought)?"
                 rf"|<\|(?:begin_of_)?{_BARE}(?:_start)?\|>|<\|inner_prefix\|>|\bHere(?: is|'s) my thought process:"
                 r"|\bHere are my reasoning steps:"),
        ("close", rf"< ?/ ?{_NAMES} ?>|[◁\ufffd]/think[▷\ufffd]|\[unused17\]|【/(?:思考|推理)(?:过程)?】"
                  r"|\[/(?:THINK|THINKING|REASONING)\]|<｜/think(?:ing)?｜>"
                  rf"|&lt;/{_BARE}&gt;|<\|END_THINKING\|>|<unused95>"
                  rf"|<\|(?:/|end_of_){_BARE}\|>|<\|{_BARE}_end\|>|<\|inner_suffix\|>|<channel\|>"),
        ("begin", r"\bHere(?: is|'s) my response:|\[BEGIN FINAL RESPONSE\]"
                  r"|(?:<\|end\|>)?<\|begin\|>assistant<\|content\|>"),  # of the answer, which also closes reasoning
        # gpt-oss: <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…<|return|>
        ("channel", r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)\b[^<\n]{0,80}"
                    r"(?:<\|constrain\|>\w*)?<\|message\|>|<\|channel>thought\b"),
        ("begin", r"(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>final\b[^<\n]{0,80}(?:<\|constrain\|>\w*)?"
                  r"<\|message\|>|\bassistantfinal(?=\W|[A-Z\u4e00-\u9fff])"),
        ("end", r"<\|(?:end|call)\|>"),  # of a channel; elsewhere, Phi's mark at the end of an answer
        ("drop", rf"(?:\A|(?<=\n)|(?<=>))<{_WRAPPERS}(?::\w+)?>|</{_WRAPPERS}(?::\w+)?>(?=\s*(?:\Z|\n|<))"),
        ("drop", r"<details>\s*<summary>\s*(?:Thinking|Thought|Reasoning|思考)[\s\S]*?</details>"
                 r"|<details type=[\"']?reasoning\b[\s\S]*?</details>"),
        ("drop", r"(?:\A|(?<=\n))```(?:think(?:ing)?|thoughts?|reasoning|思考)[ \t]*\n[\s\S]*?"
                 r"(?:\n```[ \t]*(?:\n|\Z)|\Z)"),
        ("begin", r"(?:\A|(?<=\n)|(?<=>))<CONCLUSION>"),  # LLaVA-CoT, after a summary, a caption and the reasoning
        ("answer", rf"(?<=\n){_HEADING[0]}(?:(?:final )?answer|(?:最终)?(?:答案|回答)){_HEADING[1]}"),
        ("drop", r"<role>ASSISTANT</role>|\[(?:BOS|EOS|END FINAL RESPONSE)\]|</CONCLUSION>(?=\s*\Z)|\[unused\d{1,2}\]"
                 r"|\[e~\[|\]~!?b\](?:ai\b)?|\ufffd?<\|(?:im_end|endoftext)\|>(?!\s*<)|</?\w+:(?:s|eos|bos)>"
                 r"|<end_of_utterance>"),
    ),
    hint=r"[◁\ufffd]|\[e~|\]~|&lt;|\[unused|【/|(?:answer|答案|回答)\W{1,8}\{"
         r"|\[/?(?:THINK|REASONING|BOS|EOS|BEGIN F|END F)|assistantfinal"
         r"|Here(?: i|')s my|Here are my|```(?:think|thought|reasoning|思考)"
         r"|\A\W{0,8}(?:think|thought|reason|思考|推理)",
    unfinished=r"<[/|｜\w:▁ ]{0,60}|&(?:lt?)?(?:;/?\w{0,9})?|[◁\ufffd]/?\w{0,8}|【/?\w{0,5}",
    heading=rf"\s*{_HEADING[0]}(?:(?:thinking|reasoning|thought)(?: process)?|thoughts|(?:思考|推理)(?:过程)?)"
            rf"{_HEADING[1]}",
)  # fmt: skip
