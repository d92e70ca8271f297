"""Build the documents as a site in both languages: `python scripts/make_site.py [FOLDER]`.

Documents are named for GitHub: `x.en.md` and `x.zh.md` are a page in two languages, and `x.md` is English, also beside
`x.zh.md`. Each language has a build of its own, with English pages where there are no others; addresses are the same in
both, below `zh/` for Chinese. MkDocs gets folders in which all this is done, so that another generator could take them.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT))
PARTS = ROOT / "scripts" / "docs_site"
MENU = {
    ("Use", "使用"): [
        *("guide/start", "guide/page", "guide/questions", "guide/long-videos", "guide/library"),
        "guide/models-and-system",
    ],
    ("By command", "命令"): [
        *("guide/commands", "guide/ask", "guide/links", "guide/batches", "guide/keyframes", "guide/clips"),
        "guide/speech",
    ],
    ("Understand", "读懂结果"): [
        *("guide/report", "guide/corrections", "guide/search", "guide/messages", "guide/measured", "gallery/README"),
    ],
    ("From programs", "在程序中使用"): ["guide/python", "guide/serve", "guide/mcp", "reference/api"],
    ("Run", "部署与运行"): [
        *("guide/engines", "guide/tuning", "guide/deployment", "guide/admin", "reference/security"),
        *("guide/verification", "guide/troubleshooting", "guide/migration"),
    ],
    ("Reference", "参考"): [
        *("reference/configuration", "reference/models", "reference/templates", "reference/plugins"),
        *("reference/all-commands", "reference/http", "reference/python", "reference/plugin-names"),
    ],
    ("Measured", "测量"): ["benchmarks/*"],
    ("Inside", "内部结构"): ["internals/*"],
}
"""The menu: titles of groups in both languages, and pages without language and ending."""
ENGLISH_ALONE = "*本页只有英文。*"
_LANGUAGE = re.compile(r"\.(en|zh)\.md$")
_LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\(([^)\s]+)\)")
_NEIGHBOURS = re.compile(r"\A(# .+\n\n)\[[^\n]+\]\([^\n]+\)\n\n")
"""The line below a title that leads to the other language and to neighbours; the site has a menu."""
_FENCE = re.compile(r"(^ *(`{3,}).*?^ *\2 *$)", re.DOTALL | re.MULTILINE)


def main() -> None:
    """Build both languages into the folder that is named, or into `site`."""
    out = Path(*sys.argv[1:2] or [ROOT / "site"]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        for language, place in (("en", out), ("zh", out / "zh")):  # the first build empties the folder
            source = Path(folder) / language
            write_source(language, source / "docs")
            build(language, source, place)


def write_source(language: str, folder: Path) -> None:
    """Write the documents of a language, with what they refer to, as pages without the language in their names."""
    from scripts.site_reference import PAGES  # imports all of FrameLens

    ignored = shutil.ignore_patterns("*.md")
    shutil.copytree(DOCS, folder, ignore=ignored)
    for page, document in pages(language).items():
        (folder / page).write_text(as_page(document, language), encoding="utf-8")
    for name, write in PAGES.items():
        (folder / "reference" / f"{name}.md").write_text(write(language), encoding="utf-8")


def pages(language: str) -> dict[str, Path]:
    """Return the document of each page in a language: in it, or else in English."""
    documents = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
    names = sorted({page_of(name) for name in documents})
    return {name: documents[_chosen(name, language, documents)] for name in names}


def page_of(document: str) -> str:
    """Return the page that a document is, without its language."""
    return _LANGUAGE.sub(".md", document)


def _chosen(page: str, language: str, documents: dict[str, Path]) -> str:
    stem = page.removesuffix(".md")
    return next(name for name in (f"{stem}.{language}.md", page, f"{stem}.en.md") if name in documents)


def as_page(document: Path, language: str) -> str:
    """Return a document with links of the site, without the links that the menu has."""
    name = document.relative_to(DOCS).as_posix()
    text = _NEIGHBOURS.sub(r"\1", document.read_text(encoding="utf-8"))
    is_english = not name.endswith(".zh.md") and not name.startswith("gallery/")
    if language == "zh" and is_english:
        text = re.sub(r"\A(# .+\n)", rf"\1\n{ENGLISH_ALONE}\n", text)
    if re.match("gallery/(en|zh)/", name):  # reports, whose words aren't about FrameLens
        text = f"---\nsearch: {{exclude: true}}\n---\n\n{text}"
    pieces = _FENCE.split(text)[::3]
    fences = [match[0] for match in _FENCE.finditer(text)]
    linked = [_LINK.sub(lambda link: _led(link, document, language), piece) for piece in pieces]
    return "".join(part for pair in zip(linked, [*fences, ""], strict=True) for part in pair)


def _led(link: re.Match[str], document: Path, language: str) -> str:
    """Return a link as the site has it: to a page, to the repository, or none where its address isn't known."""
    text, target = link.groups()
    path, _, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return link[0]
    linked = Path(os.path.normpath(document.parent / path))
    if linked.is_dir():  # a list of files, which the site has none of
        return text
    if not linked.is_relative_to(DOCS):
        repository = os.environ.get("GITHUB_REPOSITORY")
        address = f"{os.environ.get('GITHUB_SERVER_URL')}/{repository}/blob/main/{linked.relative_to(ROOT).as_posix()}"
        return f"[{text}]({address}{anchor and '#' + anchor})" if repository else text
    page = page_of(linked.relative_to(DOCS).as_posix())
    is_same = page not in pages(language) or pages(language)[page] == linked  # headings of another language differ
    relative = posixpath.relpath(page, document.parent.relative_to(DOCS).as_posix())
    return f"[{text}]({relative}{'#' + anchor if anchor and is_same else ''})"


def menu(folder: Path, language: str) -> list[object]:
    """Return the menu of MkDocs for the pages in a folder."""
    entries: list[object] = ["index.md"]
    for titles, patterns in MENU.items():
        found = [path for pattern in patterns for path in sorted(folder.glob(f"{pattern}.md"))]
        entries.append({titles[language == "zh"]: [path.relative_to(folder).as_posix() for path in found]})
    return entries


def build(language: str, source: Path, place: Path) -> None:
    """Build a language; a link that leads nowhere, or a page that the menu lacks, ends with an error."""
    settings = {
        "docs_dir": str(source / "docs"),
        "site_dir": str(place),
        "nav": menu(source / "docs", language),
        "theme": {"language": language, "custom_dir": str(PARTS / "theme")},
    }
    configuration = source / "mkdocs.yml"
    inherited = json.dumps({"INHERIT": str(PARTS / "mkdocs.yml"), **settings}, ensure_ascii=False)
    configuration.write_text(inherited, encoding="utf-8")  # JSON is YAML
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", str(configuration)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main()
