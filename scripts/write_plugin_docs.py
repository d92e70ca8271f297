"""Write the tables of docs/reference/plugins.*.md: the names that plugins import from framelens.plugin.

The text between `<!-- names -->` and `<!-- / -->` is replaced; the rest is written by hand. A test holds the documents
to it. Run it after a change of framelens/plugin.py: python scripts/write_plugin_docs.py
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from framelens import plugin  # noqa: E402
from framelens.core import exports  # noqa: E402
from framelens.core.domain import Language  # noqa: E402

DOCUMENTS: dict[Language, Path] = {one: REPOSITORY / "docs" / "reference" / f"plugins.{one}.md" for one in ("en", "zh")}
_HEADS: dict[Language, tuple[str, str]] = {"en": ("about", "names"), "zh": ("用途", "名称")}
_ROOMS: dict[Language, dict[str, str]] = {
    "en": {
        "analysis": "analyses",
        "api": "routes and tools",
        "cli": "commands",
        "composition": "services",
        "config": "settings",
        "core": "values and helpers",
        "engine": "engines",
        "i18n": "texts",
        "jobs": "jobs",
        "llm": "model",
        "models": "catalogue of models",
        "questions": "questions",
        "registry": "hooks",
        "reports": "reports",
        "store": "data folder",
        "video": "videos, and processes that decode",
    },
    "zh": {
        "analysis": "分析",
        "api": "路由和工具",
        "cli": "命令",
        "composition": "服务",
        "config": "设置",
        "core": "值和辅助函数",
        "engine": "引擎",
        "i18n": "文本",
        "jobs": "任务",
        "llm": "模型",
        "models": "模型目录",
        "questions": "提问",
        "registry": "钩子",
        "reports": "报告",
        "store": "数据文件夹",
        "video": "视频和解码进程",
    },
}


def written(text: str, language: Language) -> str:
    """Return `text` with its table regenerated in this language."""
    rooms = defaultdict[str, list[str]](list)
    for name, (module, _) in exports(plugin.__name__).items():
        rooms[module.split(".")[1]].append(f"`{name}`")
    rows = [_HEADS[language], ("---", "---")]
    rows += [(_ROOMS[language][room], ", ".join(sorted(names, key=str.lower))) for room, names in sorted(rooms.items())]
    table = "\n".join(f"| {left} | {right} |" for left, right in rows)
    return re.sub(r"<!-- names -->\n.*?<!-- / -->", f"<!-- names -->\n{table}\n<!-- / -->", text, flags=re.DOTALL)


def main() -> None:
    """Write the documents."""
    for language, path in DOCUMENTS.items():
        path.write_text(written(path.read_text(encoding="utf-8"), language), encoding="utf-8")


if __name__ == "__main__":
    main()
