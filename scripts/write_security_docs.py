"""Write the tables of docs/reference/security*.md: every route and page message with the role it needs.

The text between `<!-- NAME -->` and `<!-- / -->` is replaced; the rest is written by hand. A test holds the documents
to it. Run it after a change of a route: python scripts/write_security_docs.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from app.page_messages import KINDS, REFUSED  # noqa: E402
from framelens.api import AllowedHosts, Gate, routes  # noqa: E402
from framelens.core.domain import Language  # noqa: E402
from framelens.core.roles import Role  # noqa: E402
from framelens.i18n import in_language, t  # noqa: E402

DOCUMENTS: dict[Language, Path] = {
    "en": REPOSITORY / "docs" / "reference" / "security.md",
    "zh": REPOSITORY / "docs" / "reference" / "security.zh.md",
}
_WORDS: dict[Language, dict[str, str]] = {
    "en": {"route": "route", "message": "message", "role": "at least", "": "without a login", "refused": "refused"},
    "zh": {"route": "路由", "message": "消息", "role": "最低角色", "": "无需登录", "refused": "拒绝"},
}


def roles() -> dict[str, Role | None]:
    """Return the role of each route by method and path."""
    return {name: role for one in routes(Gate(AllowedHosts())) for name, role in getattr(one, "roles", {}).items()}


def written(text: str, spoken: Language) -> str:
    """Return `text` with its tables regenerated in this language."""
    words = _WORDS[spoken]

    def named(role: Role | None) -> str:
        return t(f"login.role_{role}") if role else words[""]

    with in_language(spoken):
        rows = [(f"`{name}`", named(role)) for name, role in roles().items()]
        kinds = [(f"`{name}`", named(role)) for name, role in KINDS.items()]
        kinds += [(f"`{name}`", words["refused"]) for name in sorted(REFUSED)]
    tables = {"routes": _table(words["route"], words["role"], rows)}
    tables["messages"] = _table(words["message"], words["role"], kinds)

    def replaced(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n{tables[found[1]]}\n<!-- / -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- / -->", replaced, text, flags=re.DOTALL)


def _table(left: str, right: str, rows: list[tuple[str, str]]) -> str:
    return "\n".join(f"| {one} | {other} |" for one, other in [(left, right), ("---", "---"), *rows])


def main() -> None:
    """Write both documents."""
    for spoken, path in DOCUMENTS.items():
        path.write_text(written(path.read_text(encoding="utf-8"), spoken), encoding="utf-8")


if __name__ == "__main__":
    main()
