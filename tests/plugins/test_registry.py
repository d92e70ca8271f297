"""Plugins of others: an installed package adds what it names, and a faulty package leaves everything else at work."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from framelens import registry
from framelens.core.errors import InputError, VideoError
from framelens.hookspecs import Page
from framelens.registry import PluginPart
from framelens.reports import formats
from framelens.reports.format import ReportFormat
from framelens.reports.json.writer import write
from framelens.video.files import check_file
from framelens.video.sources import address_error, file_of
from tests.reports.test_reports import analysis

Use = Callable[..., None]
HOOK = "from framelens.plugin import hook\n"
ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "plugin"


def installed(folder: Path, name: str, package: Path, entry: str) -> Path:
    """Lay out a package as an installer would, without asking any index."""
    shutil.copytree(package, folder / package.name, dirs_exist_ok=True)
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[framelens.plugins]\n{entry}\n")
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages with the example."""
    line = (EXAMPLE / "pyproject.toml").read_text().partition('entry-points."framelens.plugins"]\n')[2].splitlines()[0]
    entry = line.replace('"', "")
    return installed(tmp_path / "site", "framelens_headlines", EXAMPLE / "framelens_headlines", entry)


def run(
    *words: object, site: Path, program: tuple[str, ...] = ("-m", "framelens"), **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *map(str, words)],
        cwd=site.parent,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(site))),
            "FRAMELENS_DATA_DIR": str(site.parent / "data"),
            "LANG": "C.UTF-8",
            **environ,
        },
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def listed(site: Path, **environ: str) -> dict[str, dict[str, object]]:
    done = run("doctor", "--plugins", "--json", site=site, **environ)
    return {one["name"]: one for one in json.loads(done.stdout)["plugins"]}


def report(site: Path) -> Path:
    path = site.parent / "report.json"
    path.write_bytes(write(analysis(), "en"))
    return path


@pytest.mark.slow
def test_example_adds_a_format_a_command_and_a_page(site: Path) -> None:
    headlines = listed(site)["headlines"]
    assert (headlines["version"], headlines["state"]) == ("1.0", "on")
    names = ["headlines"]
    added = {"commands": names, "formats": names, "pages": names, "sources": ["newest:"]}
    assert headlines["adds"] == added
    printed = run("headlines", report(site), site=site)
    assert printed.returncode == 0 and printed.stdout.splitlines()
    words = ("export", "--json-file", report(site), "--format", "headlines", "--output", site.parent / "out/")
    assert run(*words, site=site).returncode == 0
    (written,) = (site.parent / "out").rglob("*.headlines.txt")
    assert written.read_text(encoding="utf-8") == printed.stdout
    assert "headlines" in run("--help", site=site).stdout


@pytest.mark.slow
def test_source_gives_a_video_in_place_of_a_file(site: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "framelens" / "samples" / "sample.mp4", tmp_path / "sample.mp4")
    words = ("keyframes", f"newest:{tmp_path}", "--frames", 2, "--json", "--quiet")
    done = run(*words, site=site)
    assert json.loads(done.stdout)["source"]["name"] == "sample.mp4"
    nothing = run("keyframes", f"newest:{site}", site=site)
    assert nothing.returncode == 3 and str(site) in nothing.stderr
    assert run(*words, site=site, FRAMELENS_PLUGINS="").returncode == 3
    (tmp_path / "sample.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello there\n")
    assert "Hello there" in run("transcript", f"newest:{tmp_path}", site=site).stdout
    clip = run("clip", f"newest:{tmp_path}", "--to", 1, "--output", site.parent / "clip.mp4", site=site)
    assert clip.returncode == 0 and (site.parent / "clip.mp4").exists()


@pytest.mark.slow
def test_python_reads_sources_of_plugins(site: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "framelens" / "samples" / "sample.mp4", tmp_path / "sample.mp4")
    code = """
import sys, framelens
print(len(framelens.keyframes(sys.argv[1], 2)))
print(framelens.analyse(sys.argv[1], frames=2, use_model=False).video.name)
try:
    framelens.keyframes("foo://x/clip.mp4")
except framelens.VideoError as error:
    print(error)
"""
    done = run("-c", code, f"newest:{tmp_path}", site=site, program=())
    count, name, error = done.stdout.splitlines()
    assert (count, name) == ("2", "sample.mp4")
    assert "foo://x/clip.mp4" in error and "newest:" in error


def test_unknown_addresses_and_names_are_told(use_plugins: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    # Unknown address names the known beginnings.
    use_plugins(mine={"sources": {"dir:": "mine:read"}})
    with pytest.raises(VideoError) as caught:
        check_file(Path("foo://x/clip.mp4").absolute())
    assert caught.value.values == {"address": "foo://x/clip.mp4", "known": "dir:"}
    # A taken beginning is named.
    use_plugins(**{name: {"sources": {"dir:": "os.path:join"}} for name in ("first", "second")})
    list(registry.unique("sources"))
    assert registry.left_out("second") == {"source dir:": "first has this name"}
    # Names that no plugin has are reported.
    monkeypatch.setattr(registry.config, "plugin_names", lambda: frozenset({"mine", "nosuch"}))
    monkeypatch.setattr(registry, "states", lambda: (registry.PluginState("mine", "", is_used=False),))
    assert registry.unknown_names() == ["nosuch"]


@pytest.mark.parametrize(
    ("address", "beginnings", "key"),
    [
        ("https://host/clip.mp4", (), "link_without_plugin"),
        ("s3://bucket/clip.mp4", ("dir:",), "video_in_s3"),
        ("https://host/clip.mp4", ("http://", "https://"), "video_is_address"),
        ("rtsp://camera", (), "video_is_address_alone"),
        ("rtsp://camera", ("dir:",), "video_is_address"),
    ],
)
def test_error_of_an_address_fits_the_plugins_in_use(
    address: str, beginnings: tuple[str, ...], key: str, use_plugins: Use
) -> None:
    use_plugins(mine={"sources": dict.fromkeys(beginnings, "mine:read")})
    assert address_error(address).key == key


def test_a_file_is_read_before_a_source(use_plugins: Use, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_plugins(mine={"sources": {"dir:": "mine:read"}})
    monkeypatch.setattr(registry.PluginPart, "load", lambda _: lambda typed: Path("/found", typed))
    monkeypatch.chdir(tmp_path)
    assert [file_of(typed) for typed in ("dir:a", "a", "other:a")] == [str(Path("/found/dir:a")), "a", "other:a"]
    Path("dir:a").touch()
    assert file_of("dir:a") == "dir:a"


@pytest.mark.slow
def test_message_of_a_failure_names_the_log(broken_site: Path) -> None:
    log = broken_site.parent / "data" / "framelens.log"
    for words in (("keyframes", "broken:x"), ("transcript", "broken:x"), ("analyse", "broken:x"), ("broken",)):
        assert str(log) in run(*words, site=broken_site).stderr
        assert "Traceback" in log.read_text(encoding="utf-8"), words
        log.unlink()


@pytest.mark.slow
def test_plugins_are_switched_off_by_name(site: Path) -> None:
    states = {name: one["state"] for name, one in listed(site, FRAMELENS_PLUGINS="headlines").items()}
    assert states.pop("headlines") == "on" and set(states.values()) <= {"off"}
    assert {one["state"] for one in listed(site, FRAMELENS_PLUGINS="").values()} <= {"off"}
    assert "FRAMELENS_PLUGINS" in run("clip", "x", "-l", "en", site=site, FRAMELENS_PLUGINS="").stderr
    refused = run("headlines", report(site), site=site, FRAMELENS_PLUGINS="")
    assert refused.returncode == 2 and "headlines" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("PLUGIN = 'a name'", "implements no hook"),
        (f"{HOOK}@hook\ndef command(): return {{}}", "unknown hook 'command'"),
        (f"{HOOK}@hook\ndef commands(name): return {{}}", "name"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("raise SystemExit('needs a card')", "SystemExit: needs a card"),
    ],
)
def test_faulty_plugin_is_named_and_left_out(site: Path, tmp_path: Path, source: str, reason: str) -> None:
    package = tmp_path / "faulty_one"
    package.mkdir()
    (package / "__init__.py").write_text(source)
    installed(site, "faulty", package, "faulty = faulty_one")
    states = listed(site)
    assert states["faulty"]["state"] == "faulty" and reason in str(states["faulty"]["fault"])
    assert states["headlines"]["state"] == "on"
    assert run("export", "--json-file", report(site), "--format", "markdown", "--overwrite", site=site).returncode == 0


FAULTS = """
from framelens.plugin import Page, hook
FAILING = ("sidebar", "doctor.checks", "routes", "resume", "launch.checks", "speech.recogniser")
@hook
def commands():
    return {"broken": "broken_one.no_module:run", **dict.fromkeys(("analyze", "fails", "help"), "broken_one:run")}
@hook
def report_formats():
    return FORMATS
@hook
def pages():
    return {name: Page(":material/home:", f"broken_one:{name}") for name in ("library", "lost")}
@hook
def sources():
    return {"broken:": "broken_one:fail"}
@hook
def parts():
    return {"work.groups": "broken_one:gone", **dict.fromkeys(FAILING, "broken_one:fail")}
def fail(*_, **__):
    raise ZeroDivisionError("by zero")
import click
run = click.Command("fails", callback=fail)
from framelens.reports.format import ReportFormat
FORMATS = {
    "broken": ReportFormat(".broken", "text/plain", "read", fail),
    "json": ReportFormat(".taken", "text/plain", "read", fail),
    "unfit": ReportFormat(".unfit", "text/plain", "read", fail, fits=fail),
    "all": ReportFormat(".every", "text/plain", "read", fail),
    3: ReportFormat(".three", "text/plain", "read", fail),
}
"""


@pytest.fixture
def broken_site(site: Path, tmp_path: Path) -> Path:
    """A folder of packages with the example and a plugin whose parts are all faulty."""
    package = tmp_path / "broken_one"
    package.mkdir()
    (package / "__init__.py").write_text(FAULTS)
    (package / "messages").mkdir()
    for language in ("en", "zh"):
        (package / "messages" / f"{language}.toml").write_text("a text")
    return installed(site, "broken", package, "broken = broken_one")


@pytest.mark.slow
def test_faulty_parts_are_named_and_left_out(broken_site: Path) -> None:
    states = listed(broken_site)
    assert states["broken"]["state"] == "on" and states["headlines"]["left_out"] == {}
    assert states["broken"]["left_out"] == {
        "broken_one.no_module:run": "ModuleNotFoundError: No module named 'broken_one.no_module'",
        "command analyze": "FrameLens has this name",
        "command help": "FrameLens has this name",
        "page library": "FrameLens has this name",
        "broken_one:lost": "AttributeError: module 'broken_one' has no attribute 'lost'",
        "broken_one:gone": "AttributeError: module 'broken_one' has no attribute 'gone'",
        "format json": "FrameLens has this name",
        "format all": "FrameLens has this name",
        "format 3": "the name of a format must match [a-z][a-z0-9_-]*",
        "messages en.toml": "TOMLDecodeError: Expected '=' after a key in a key/value pair (at line 1, column 3)",
        "messages zh.toml": "TOMLDecodeError: Expected '=' after a key in a key/value pair (at line 1, column 3)",
    }
    assert states["broken"]["adds"]["formats"] == ["broken", "unfit"]


@pytest.mark.slow
def test_faulty_command_and_source_name_their_plugin(broken_site: Path) -> None:
    for words in (("fails",), ("keyframes", "broken:here")):
        failed = run(*words, site=broken_site)
        assert failed.returncode == 6 and "broken" in failed.stderr and "ZeroDivisionError" in failed.stderr
        assert "Traceback" not in failed.stderr


SERVE = """
import json
from framelens import api, config, registry
from framelens.engine.local.launch_checks import launch_checks
from framelens.engine.recognisers import build_recogniser
assert api.routes(api.Gate(api.AllowedHosts.for_server(None)))
assert "headlines" in registry.page_names()
list(registry.pages())
list(registry.results("resume", None))
assert isinstance(launch_checks(config.load()).find(None), tuple)
build_recogniser(config.load())
print(json.dumps(list(registry.left_out("broken"))))
"""


@pytest.mark.slow
def test_application_starts_beside_a_faulty_plugin(broken_site: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE],
        cwd=broken_site.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(broken_site)))},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"broken_one:fail", "page library", "broken_one:lost"} <= set(json.loads(done.stdout))


@pytest.mark.slow
def test_doctor_names_a_plugin_whose_check_fails(broken_site: Path) -> None:
    done = run("doctor", "--json", site=broken_site)
    said = [one for one in json.loads(done.stdout)["findings"] if one["key"] == "plugin_failed"]
    assert len(said) == 1 and "broken" in said[0]["text"] and said[0]["level"] == "warning"


@pytest.mark.parametrize("name", ["--version", "a/b", "C:", ""])
def test_a_name_can_be_part_of_an_address(name: str, use_plugins: Use) -> None:
    use_plugins(mine={"pages": {name: Page("", "m:draw")}, "sources": {name: "m:read"}})
    assert not [*registry.unique("pages"), *registry.unique("sources")]
    assert {f"page {name}", f"source {name}"} <= set(registry.left_out("mine"))


def test_a_hook_that_fails_or_gives_something_else_is_left_out(use_plugins: Use) -> None:
    use_plugins(mine={"commands": ["headlines"], "parts": 3})
    assert [*registry.unique("commands"), *registry.functions("sidebar")] == []
    assert set(registry.left_out("mine")) == {"commands", "parts"}


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), SystemExit(3)])
def test_an_error_of_a_function_is_the_plugins(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(InputError) as caught:
        PluginPart("mine", "sidebar", "").guard(fail)()
    assert caught.value.key == "plugin_failed"
    assert caught.value.values["reason"] == f"{type(error).__name__}: {error}"


@pytest.mark.slow
def test_what_a_plugin_breaks_is_its_own(broken_site: Path) -> None:
    site = broken_site
    options = ("export", "--json-file", report(site), "--overwrite", "--output", site.parent / "out/", "--format")
    failed = run(*options, "broken", site=site)
    assert failed.returncode not in (0, 1) and "broken" in failed.stderr and "ZeroDivisionError" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert run(*options, "json", site=site).returncode == 0
    all_formats = run(*options, "all", site=site)
    assert all_formats.returncode == failed.returncode and "ZeroDivisionError" in all_formats.stderr
    assert {".md", ".pdf", ".html"} <= {path.suffix for path in (site.parent / "out").iterdir()}
    command = run("broken", site=site)
    assert command.returncode == 2 and "ModuleNotFoundError" in command.stderr and "Traceback" not in command.stderr


def test_a_check_that_fails_withholds_no_format(use_plugins: Use) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise ZeroDivisionError("division by zero")

    form = ReportFormat(".mine", "text/plain", "read", lambda *_: b"x", fail, fits=fail)
    use_plugins(mine={"report_formats": {"mine": form}})
    ((_, made),) = formats._of_plugins()
    assert made.fits(None) is True  # type: ignore[arg-type]
    assert registry.left_out("mine") == {"fits of format mine": "ZeroDivisionError: division by zero"}
    with pytest.raises(InputError, match="plugin_failed"):
        made.beside(None, appendix=True)  # type: ignore[arg-type]


called: list[object] = []


def call(argument: object) -> object:
    called.append(argument)
    return argument


def test_all_functions_of_a_place_are_called_whatever_one_does(use_plugins: Use) -> None:
    use_plugins(broken={"parts": {"resume": "os:abort_nothing"}}, fine={"parts": {"resume": f"{__name__}:call"}})
    assert list(registry.results("resume", "services")) == called == ["services"]
    assert "os:abort_nothing" in registry.left_out("broken")


def test_interrupt_while_a_plugin_loads_is_no_fault() -> None:
    wrapped = RuntimeError("Error calling __set_name__")
    wrapped.__cause__ = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        PluginPart("own", "part", "").leave_out(wrapped, "part")
    assert "part" not in registry.left_out("own")
