"""The site of the documents: what scripts/make_site.py gives to its generator; the build itself checks every link."""

from pathlib import Path

import pytest

from framelens.core import exports
from scripts import make_site, site_reference
from tests.cli.walk import contexts

ROOT = Path(__file__).parent.parent
each_language = pytest.mark.parametrize("language", ["en", "zh"])


@pytest.fixture(scope="module", params=["en", "zh"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param) / "docs"
    make_site.write_source(request.param, folder)
    return request.param, folder


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Documents in which a page has a neighbour in both languages, and one in English alone."""
    folder = tmp_path / "docs"
    (folder / "guide").mkdir(parents=True)
    for name in ("guide/one.en.md", "guide/one.zh.md", "guide/two.en.md", "guide/two.zh.md", "guide/only.md"):
        (folder / name).write_text("# Title\n", encoding="utf-8")
    (tmp_path / "README.md").touch()
    monkeypatch.setattr(make_site, "ROOT", tmp_path)
    monkeypatch.setattr(make_site, "DOCS", folder)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    return folder


def page(folder: Path, name: str, text: str, language: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return make_site.as_page(folder / name, language)


@pytest.mark.every_plugin
@pytest.mark.slow
def test_the_menu_has_every_page(source: tuple[str, Path]) -> None:
    language, folder = source
    entries = make_site.menu(folder, language)
    listed = ["index.md", *(page for group in entries[1:] for pages in group.values() for page in pages)]  # type: ignore[attr-defined]
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}
    assert sorted(listed) == sorted(page for page in written if not page.startswith(("gallery/en/", "gallery/zh/")))


@pytest.mark.every_plugin
@pytest.mark.slow
def test_pages_of_a_language_name_no_other(source: tuple[str, Path]) -> None:
    folder = source[1]
    pages = [path for path in folder.rglob("*.md") if "gallery" not in path.parts]
    assert [path.name for path in pages if ".en.md" in (text := path.read_text("utf-8")) or ".zh.md" in text] == []


def test_links_lead_to_pages_of_the_same_language(docs: Path) -> None:
    text = "# A\n\n[中文](one.zh.md) · [Two](two.en.md)\n\nSee [two](two.en.md#title), [only](only.md#title).\n"
    assert page(docs, "guide/one.en.md", text, "en") == "# A\n\nSee [two](two.md#title), [only](only.md#title).\n"


def test_an_english_page_leads_to_chinese_ones(docs: Path) -> None:
    """The headings of these have other addresses."""
    changed = page(docs, "guide/only.md", "# A\n\nSee [one](one.en.md#title).\n", "zh")
    assert changed == f"# A\n\n{make_site.ENGLISH_ALONE}\n\nSee [one](one.md).\n"


def test_code_in_a_page_is_not_changed(docs: Path) -> None:
    text = "# A\n\n```\n[two](two.en.md)\n```\n\n[two](two.en.md)\n"
    assert page(docs, "guide/one.en.md", text, "en") == "# A\n\n```\n[two](two.en.md)\n```\n\n[two](two.md)\n"


@pytest.mark.parametrize(
    "repository, expected", [("", "README"), ("a/b", "[README](https://x/a/b/blob/main/README.md)")]
)
def test_links_out_of_the_documents_lead_to_the_repository(
    docs: Path, monkeypatch: pytest.MonkeyPatch, repository: str, expected: str
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", repository)
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://x")
    assert page(docs, "guide/one.en.md", "# A\n\nSee [README](../../README.md).\n", "en").endswith(f"{expected}.\n")


@each_language
@pytest.mark.every_plugin
def test_reference_has_every_command_and_option(language: str) -> None:
    text = site_reference.commands_page(language)
    assert [ctx.command_path for ctx in contexts() if f"\n## {ctx.command_path}\n" not in text] == []
    options = {option for ctx in contexts() for one in ctx.command.params for option in one.opts if option[:2] == "--"}
    assert {option for option in options if option not in text} == set()
    assert ("退出码" if language == "zh" else "Exit codes") in text


@pytest.mark.every_plugin
def test_reference_has_every_route_and_form() -> None:
    text, api = site_reference.http_page("en"), site_reference.api_document()
    routes = [f"{method.upper()} {path}" for path, methods in api["paths"].items() for method in methods]
    assert [route for route in routes if f"\n## `{route}`\n" not in text] == []
    assert [name for name in api["components"]["schemas"] if f"\n## {name}\n" not in text] == []


def test_reference_has_everything_of_python_and_plugins() -> None:
    # Reference has every name of python.
    text = site_reference.python_page("en")
    assert [name for name in exports("framelens") if f"\n## {name}\n" not in text] == []
    # Reference has every hook and name for plugins.
    text = site_reference.plugins_page("en")
    assert all(f"\n### Hooks.{name}\n" in text for name in ("commands", "pages", "parts", "report_formats", "sources"))
    assert [name for name in exports("framelens.plugin.engines") if f"\n### {name}\n" not in text] == []


def test_nothing_in_the_theme_is_loaded_from_elsewhere() -> None:
    files = [path for path in (ROOT / "scripts/docs_site").rglob("*") if path.is_file()]
    assert files and [path.name for path in files if "://" in path.read_text(encoding="utf-8")] == []
