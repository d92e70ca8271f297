"""Write the tables of docs/reference/plugins.*.md: the names that plugins import from framelens.plugin.

The text between `<!-- names -->` and `<!-- / -->` is replaced; the rest is written by hand. A test holds the documents
to it. Run it after a change of framelens/plugin: python scripts/write_plugin_docs.py
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from framelens import plugin  # noqa: E402
from framelens.core import exports  # noqa: E402
from framelens.core.domain import Language  # noqa: E402

DOCUMENTS: dict[Language, Path] = {
    language: REPOSITORY / "docs" / "reference" / f"plugins.{language}.md" for language in ("en", "zh")
}
FOLDER = Path(plugin.__file__).parent
MODULES = ("framelens.plugin", *sorted(f"framelens.plugin.{path.stem}" for path in FOLDER.glob("[a-z]*.py")))
_HEADS: dict[Language, tuple[str, str, str]] = {"en": ("module", "for", "names"), "zh": ("模块", "用途", "名称")}
_USES: dict[Language, dict[str, str]] = {
    "en": {
        "": "hooks, services, settings, texts, users",
        "analyses": "requests, runs, jobs and questions",
        "api": "routes and tools",
        "chat": "requests to a model",
        "command_line": "commands",
        "corrections": "corrections of reports",
        "engines": "engines",
        "files": "paths and names",
        "links": "links to videos",
        "machine": "this machine and findings about it",
        "models": "models",
        "outputs": "files that are written",
        "processes": "threads and processes, and those that decode",
        "reports": "formats of reports",
        "speech": "speech",
        "storage": "the data folder",
        "subtitles": "forms of subtitles",
        "texts": "texts for readers",
        "users": "accounts and the audit log",
    },
    "zh": {
        "": "钩子、服务、设置、文本、用户",
        "analyses": "请求、运行、任务和提问",
        "api": "路由和工具",
        "chat": "向模型发出的请求",
        "command_line": "命令",
        "corrections": "报告的人工修改",
        "engines": "引擎",
        "files": "路径和名称",
        "links": "视频链接",
        "machine": "本机及检查结果",
        "models": "模型",
        "outputs": "写出的文件",
        "processes": "线程、进程和解码进程",
        "reports": "报告格式",
        "speech": "语音",
        "storage": "数据文件夹",
        "subtitles": "字幕格式",
        "texts": "给读者看的文本",
        "users": "账号和审计日志",
    },
}


def names_of(module: str) -> list[str]:
    """List the names that a module of the public face offers."""
    import_module(module)
    return sorted(exports(module), key=str.lower)


def written(text: str, language: Language) -> str:
    """Return `text` with its table regenerated in this language."""
    rows = [_HEADS[language], ("---",) * 3]
    for module in MODULES:
        use = _USES[language][module.removeprefix("framelens.plugin").removeprefix(".")]
        rows.append((f"`{module}`", use, ", ".join(f"`{name}`" for name in names_of(module))))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return re.sub(r"<!-- names -->\n.*?<!-- / -->", f"<!-- names -->\n{table}\n<!-- / -->", text, flags=re.DOTALL)


def main() -> None:
    """Write the documents."""
    for language, path in DOCUMENTS.items():
        path.write_text(written(path.read_text(encoding="utf-8"), language), encoding="utf-8")


if __name__ == "__main__":
    main()
