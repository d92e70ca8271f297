"""The documents say what is true: options, settings, targets, links and languages are held against the code."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from framelens.analysis.planning.frame_budget import KEYFRAMES
from framelens.questions.conversation import MOST_IMAGES, AskSettings
from framelens.reports.formats import FORMATS
from framelens.reports.json.reader import read
from framelens.store.trash import KEPT_DAYS
from tests.cli.walk import contexts, parsed

pytestmark = pytest.mark.usefixtures("english")

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("*/*.md")),
]
# Variables that vLLM itself reads, not settings of FrameLens.
ENGINE_VARIABLES = {
    "VLLM_CACHE_ROOT",
    "VLLM_CPU_KVCACHE_SPACE",
    "VLLM_CPU_OMP_THREADS_BIND",
    "VLLM_USE_MODELSCOPE",
    "VLLM_WSL2_ENABLE_PIN_MEMORY",
    "VLLM_WORKER_MULTIPROC_METHOD",
}

OLD_SCRIPTS = {"multimodal_server/run.py"}
"""What users had before; the guide names the command that takes its place."""

NOT_OURS = {
    *("restricted", "Out of memory", "Other programs use the memory", "Engine core initialization failed"),
    *("红色的车什么时候出现？", "门开了几次？", "有没有狗？", "他什么时候离开，带着什么？"),
    *("大部分是蓝色，文字：EXIT", "显卡 0：…"),
}
"""Quotations in the guides that aren't FrameLens's texts: other programs' messages, a reader's questions, examples."""
_QUOTED = {"en": re.compile(r'"([^"\n]{3,60})[,.]?"'), "zh": re.compile("“([^”\n]{2,40})”")}
_FENCE = re.compile(r"^[ ]*(`{3,})(\w*)[^\n]*\n(.*?)^[ ]*\1[ ]*$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_VARIABLE = re.compile(r"\b(?:FRAMELENS|VLLM)_[A-Z][A-Z_]*\b")
_ASSIGNMENT = re.compile(r"\w+=.*")

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def prose(text: str) -> str:
    return _FENCE.sub("", text)


def fenced(text: str, *languages: str) -> list[str]:
    return [body for _, language, body in _FENCE.findall(text) if language in languages]


def commands(document: Path) -> list[list[str]]:
    """Every command of a document's bash blocks and inline code as words, without the assignments before it."""
    text = document.read_text(encoding="utf-8")
    lines = [line for block in fenced(text, "bash") for line in block.splitlines()] + _INLINE.findall(prose(text))
    found = []
    for line in lines:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a piece of a sentence or of JSON, no command
            continue
        while words and _ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        if words:
            found.append(words)
    return found


def all_options() -> set[str]:
    """The long options of all commands."""
    names = (name for ctx in contexts() for option in ctx.command.params for name in option.opts)
    return {name for name in names if name.startswith("--")}


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#{1,6} (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.every_plugin
@each_document
def test_documented_commands_parse(document: Path) -> None:
    for words in commands(document):
        if words[0] != "framelens":
            continue
        given = words[1 : words.index(">")] if ">" in words else words[1:]
        if "…" not in given:
            parsed(given)


@pytest.mark.every_plugin
@each_document
def test_every_option_named_beside_a_command_exists(document: Path) -> None:
    ours = all_options()
    of_vllm = {"--tensor-parallel-size", "--pipeline-parallel-size", "--trust-request-mm-kwargs"}
    of_vllm |= {"--mm-processor-cache-gb"}
    of_vllm |= {"--enable-auto-tool-choice", "--tool-call-parser"}
    theirs = {"--server", "--browser", "--theme", "--jinja", *of_vllm}
    named = set(re.findall(r"`(--[a-z][a-z-]*)", prose(document.read_text(encoding="utf-8"))))
    assert named <= ours | theirs


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_guide_reports_every_option(language: str) -> None:
    pages = sorted((ROOT / "docs/guide").glob(f"*.{language}.md"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    assert {option for option in all_options() if f"`{option}" not in text} <= {"--help", "--version"}


@each_document
def test_every_make_target_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in commands(document):
        if words[0] == "make":  # alone, it is the program itself
            assert {word for word in words[1:] if "=" not in word} <= targets, words


@pytest.mark.every_plugin
@each_document
def test_every_script_exists(document: Path) -> None:
    for words in commands(document):
        for word in words:
            if word.endswith((".py", ".sh")) and "/" in word.replace("\\", "/"):
                path = word.replace("\\", "/")
                assert path in OLD_SCRIPTS or any(
                    (folder / path).is_file() for folder in (ROOT, ROOT / "framelens", ROOT / "app")
                ), word


@each_document
def test_every_variable_is_a_setting_or_one_of_the_engine(document: Path) -> None:
    known = variables_of_ours() | ENGINE_VARIABLES | {"VLLM_CONFIG", "VLLM_MODEL_PATH"}
    assert set(_VARIABLE.findall(document.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("guide", ["reference/configuration.en.md", "reference/configuration.zh.md"])
def test_the_guide_reports_every_setting(guide: str) -> None:
    text = (ROOT / "docs" / guide).read_text(encoding="utf-8")
    assert variables_of_ours() <= set(_VARIABLE.findall(text))


def test_the_example_file_holds_every_setting() -> None:
    settings = set(_VARIABLE.findall((ROOT / "framelens/config.py").read_text(encoding="utf-8")))
    example = set(_VARIABLE.findall((ROOT / ".env.example").read_text(encoding="utf-8")))
    assert settings == example


def variables_of_ours() -> set[str]:
    sources = [ROOT / "framelens/config.py", ROOT / "scripts/bootstrap.py"]
    return {name for path in sources for name in _VARIABLE.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed on this system")
def test_the_engine_variables_are_ones_that_vllm_reads() -> None:
    spec = find_spec("vllm")
    assert spec and spec.origin
    source = (Path(spec.origin).parent / "envs.py").read_text(encoding="utf-8")
    assert {name for name in ENGINE_VARIABLES if f'"{name}"' not in source} == set()


@each_document
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target in _LINK.findall(prose(document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = document.parent / path if path else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), target


@pytest.mark.parametrize(
    "page, english, chinese, value",
    [
        ("keyframes", "model holds; {} if not given", "不写则为 {}，", KEYFRAMES),
        ("ask", "at most {} of them", "最多 {} 张", MOST_IMAGES),
        ("ask", "0 to 2 ({} if not given)", "0 到 2（默认 {}）", AskSettings.temperature),
        ("ask", "drawn from ({})", "选取（默认 {}）", AskSettings.top_p),
        ("ask", "1 to 4096 tokens ({})", "1 到 4096 个 token（默认 {}）", AskSettings.max_tokens),
        ("ask", "together, up to {}", "合计的 token 数，最多 {}", AskSettings.context_tokens),
        ("ask", "100000 frames ({}, ", "100000 帧（{}，", AskSettings.search_frames),
        ("ask", "86400 seconds ({})", "86400 秒（{}）", AskSettings.search_seconds),
        ("library", "below the cards for {} days", "{} 天内", KEPT_DAYS),
    ],
)
def test_a_default_in_the_guide_is_that_of_the_code(page: str, english: str, chinese: str, value: float) -> None:
    texts = [(ROOT / f"docs/guide/{page}.{code}.md").read_text(encoding="utf-8") for code in ("en", "zh")]
    assert [phrase.format(value) in text for phrase, text in zip((english, chinese), texts, strict=True)] == [True] * 2


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_first_page_leads_to_every_page(language: str) -> None:
    text = (ROOT / f"docs/index.{language}.md").read_text(encoding="utf-8")
    folders = [ROOT / "docs" / name for name in ("guide", "reference")]
    pages = [path for folder in folders for path in folder.glob(f"*.{language}.md")]
    assert [path.name for path in pages if f"]({path.parent.name}/{path.name})" not in text] == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "name, report, first", [("README", "sample", "# "), ("README", "lecture", "## "), ("docs/index", "sample", "# ")]
)
def test_lines_shown_first_are_those_of_the_gallery(name: str, language: str, report: str, first: str) -> None:
    blocks = re.compile(rf"^```\n({first}.*?)^```$", re.DOTALL | re.MULTILINE)
    suffix = ".md" if (name, language) == ("README", "en") else f".{language}.md"
    (shown,) = blocks.findall((ROOT / f"{name}{suffix}").read_text(encoding="utf-8"))
    text = (ROOT / "docs" / "gallery" / language / f"{report}.md").read_text(encoding="utf-8")
    said = {re.sub(r"^> |[\\*]", "", line).strip() for line in text.splitlines()}
    assert [line for line in shown.splitlines() if line.replace("*", "").strip() not in said] == []


@pytest.mark.slow
@pytest.mark.every_plugin
@pytest.mark.parametrize("guide", sorted((ROOT / "docs" / "guide").glob("*.md")), ids=lambda path: path.name)
def test_what_a_guide_quotes_is_written_somewhere(guide: Path) -> None:
    code = guide.suffixes[0].removeprefix(".")
    files = [path for path in (ROOT / "framelens").rglob(f"{code}.toml") if path.parent.name in ("i18n", "messages")]
    texts = [text for file in files for text in _texts(tomllib.loads(file.read_text(encoding="utf-8")))]
    patterns = [re.compile(".+".join(map(re.escape, re.split(r"\{[^}]*\}", text)))) for text in texts if "{" in text]
    quoted = _QUOTED[code].findall(_INLINE.sub("", prose(guide.read_text(encoding="utf-8"))))
    missing = [
        quotation for quotation in quoted
        if quotation not in NOT_OURS and not any(quotation.strip(" …") in text for text in texts)
        and not any(pattern.fullmatch(quotation) for pattern in patterns)
    ]  # fmt: skip
    assert not missing


def _texts(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for child in part.values():
            yield from _texts(child)
    else:
        yield str(part)


def test_gallery_has_every_format_that_fits_the_sample() -> None:
    """The files are made by `python scripts/make_gallery.py`; that they still read as reports is looked at here."""
    for language in ("en", "zh"):
        folder = ROOT / "docs" / "gallery" / language
        made = read((folder / "sample.json").read_bytes(), name="sample.json")
        fitting = [form.suffix for form in FORMATS.values() if form.fits(made)]
        assert {f"sample{suffix}" for suffix in fitting} <= {path.name for path in folder.iterdir()}
        linked = (ROOT / "docs" / "gallery" / "README.md").read_text(encoding="utf-8")
        assert all(f"]({language}/sample{suffix})" in linked for suffix in fitting)
        unseen = [f"{name}.{suffix}" for name in ("lecture", "film", "camera") for suffix in ("html", "pdf", "md")]
        assert all(f"]({language}/{name})" in linked and (folder / name).stat().st_size for name in unseen)
