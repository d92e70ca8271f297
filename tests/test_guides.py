"""Every command of the guides is run: as it stands, or in the nearest form that a machine without GPU and hub allows.

`KINDS` says how, by what the command looks like; each must be of exactly one kind. What is exchanged is said where it
is done: the model for a tiny model, the engine for the other tests' engine, the hub for a hub on loopback, ports for
free ports. Commands run in a folder that looks like a checkout, with a home and a data folder of their own.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from framelens import config
from framelens.core.engines.model_hub import HubKind
from framelens.core.engines.vllm_arguments import argument_names
from framelens.engine.base import Endpoint
from framelens.engine.model_resolution import check_model_folder
from framelens.jobs.readiness import with_recommended
from tests.cards import draw_card, to_jpeg
from tests.core.test_vllm_arguments import needs_vllm
from tests.engine.hub_server import Hub, serve
from tests.engine.weights import model_files
from tests.media import COLOURS, cards, write_video
from tests.test_docs import ENGINE_VARIABLES, ROOT, fenced, prose, variables_of_ours

GUIDES = [ROOT / "docs/index.en.md", *sorted((ROOT / "docs").glob("*/*.en.md"))]
README = tuple((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
NOWHERE = "http://127.0.0.1:9"
LONGEST_WAIT_SECONDS = 240
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the guides' commands are those of Linux")

KINDS = {
    # A setting for this terminal: the program reads it and finds nothing wrong with it.
    "setting": r"export \w+=.+",
    # Needs neither a model nor a network.
    "alone": r"framelens (keyframes (?!\w+://).+|clip .+ --from .+|doctor( --plugins)?|admin keys (?!.* --user ).+)"
    r"|framelens cluster plan .+"
    r"|framelens models( (show|check|--fit|--formats)\b.*)?"
    r"|framelens (analyse|batch) .*--no-model.*|python3 -c .+"
    r"|cp \.env\.example \.env|ls .+|ffmpeg -i in\.mov .+|source \.venv/bin/activate",
    # About stored reports: a report is there, made without a model.
    "stored": r"framelens (library|export|find(?!.*--(pict|down))|admin (backup|audit)|ask --)\b.*",
    # Asks a model: the tiny model, in an engine that the tests share.
    "asking": r"(VLLM_CPU_KVCACHE_SPACE=4 |FRAMELENS_PLUGINS= )?framelens "
    r"((analyse|batch) (?!\w+://|.*(--no-model|--ray|--watch))|ask (?!--|\w+://)|models sight).*",
    # Downloads a model: some kilobytes of that name, from a hub on loopback.
    "fetching": r"(\./download_model\.sh|framelens download(?!.*--(spe|engine))|hf download)\b.*",
    # Runs until it is ended: is seen to answer, on a free port and with a tiny model.
    "lasting": r"framelens (serve (?!.*--(device cuda|base-url))|serve$|app\b).*"
    r"|streamlit run app/main\.py.*|make app|python3 scripts/bootstrap\.py app.*",
    # Speaks to a client until its input ends, or is interrupted.
    "speaking": r"framelens mcp( .+)?",
    # Analyses what arrives in a folder until it is interrupted.
    "watching": r"framelens batch .+ --watch.*",
    # Installs some gigabytes: here it finds that all is there.
    "installing": r"(FRAMELENS_EXTRA=\w+ )?make install",
    # Takes long, or is what runs this: only what make would do is looked at.
    "rehearsed": r"make (test|check|lint|bench|sbom|audit)",
    # Wants a GPU: its flags must be vLLM's; in the thorough run vLLM's own parser reads it.
    "parsed": r"python -m vllm\.entrypoints\.openai\.api_server .+",
}
ELSEWHERE = {
    r"framelens \w+ https://.+": "wants a server of videos; tests/store/test_links.py has one",
    r"framelens find .*--(picture|download)\b.*": "wants SigLIP 2; tests/plugins/search has a tiny model",
    r"nvidia-smi": "wants an NVIDIA driver",
    r"framelens serve .+ --device cuda.*": "wants an NVIDIA GPU",
    r"ffmpeg -i rtsp://.+": "wants a camera",
    r"curl -I https://huggingface\.co": "wants the hub itself",
    r"hf auth login": "asks for a token at the keyboard",
    r"ray (start|status)\b.*": "wants Ray, which FrameLens does without, and a second machine",
    r"framelens batch .+ --ray .+": "wants a cluster; tests/plugins/batch has one of two nodes",
    r"\.venv/bin/python -m pip install .+": "installs packages that the tests have",
    r"uvx .+": "wants a wheel; scripts/check_wheel.py installs one as a tool",
    r"pip (install|wheel) .+": "is for another project; tests/test_packaging.py builds the wheel",
    r"(\w+=\S+ )*docker .+": "wants Docker",
    r"framelens cluster check .+": "wants a Ray cluster; tests/plugins/batch/ray_jobs/test_cluster.py runs it with one",
    r"python scripts/write_man_page\.py": "needs the whole source; tests/cli/test_man_page.py runs it",
    r"_FRAMELENS_COMPLETE=.+": "writes to the home folder; tests/cli/test_completion.py completes",
    r"kubectl .+": "wants a cluster of Kubernetes",
    r"sudo .+": "changes the system",
    r"make torture": "takes hours",
    r"ollama stop .+": "wants Ollama",
    r"(vllm serve MCG|FRAMELENS_FINDER=).+": "wants a GPU and a finder; tests/plugins/search/test_finder.py has one",
    r"py -3\.11 .+": "is for Windows",
    r"framelens admin restore .+": "wants a backup; tests/plugins/server/commands/test_backup.py runs it with one",
    r"framelens admin users( .+)?": "asks for a password; tests/plugins/accounts/commands/test_users.py runs it",
    r"framelens admin keys .+ --user .+": "wants an account; tests/plugins/accounts/commands/test_users.py runs it",
    r"framelens transcript .+": "wants subtitles; tests/cli/commands/test_transcript.py runs it with some",
    r"framelens clip (?!.* --from ).+": "wants a model's report; tests/plugins/editing/commands/test_clip.py has one",
    r"framelens download --engine": "installs some gigabytes; tests/engine/test_installation.py runs uv",
    r"framelens serve --base-url .+": "wants Ollama; tests/plugins/server/test_message_videos.py serves an engine",
    r"framelens download .*--(speech|speakers)": "wants a model; tests/plugins/speech/test_commands.py downloads one",
}
_PROGRAMS = re.compile(
    r"framelens|\./download_model\.sh|make|streamlit|python3?|py|hf|ffmpeg|ray|docker|curl|ollama|source|nvidia-smi"
)
_ALONE = ("./download_model.sh", "nvidia-smi")  # commands of a single word; other single words are names in a sentence
_PLACEHOLDERS = {"NAME": "qwen2.5vl:7b", "VIDEO": "video.mp4"}
_INLINE = re.compile(r"`([^`\n]+)`")
_FREE_TEXT = re.compile(
    r'(--question|--add|(?<= )title|(?<= )video\.mp4|(?<=^framelens ask)( [^"-][^"]*)?) "[^"]*"|--language \w+'
)


def commands(text: str) -> list[str]:
    """The commands of a document: the lines of its bash blocks, then those named in its sentences; each once."""
    lines = [re.sub(r"\s+# .*", "", line) for block in fenced(text, "bash") for line in block.splitlines()]
    named = [line for line in _INLINE.findall(prose(text)) if _is_command(line)]
    filled = [_filled(line.strip()) for line in [*lines, *named]]
    return list(dict.fromkeys(line for line in filled if line))


def _is_command(span: str) -> bool:
    program = next((word for word in span.split() if not re.fullmatch(r"[A-Z_]+=\S*", word)), "")
    return bool(_PROGRAMS.fullmatch(program)) and "…" not in span and (program in _ALONE or " " in span)


def _filled(line: str) -> str:
    return " ".join(_PLACEHOLDERS.get(word, word) for word in line.split(" "))


def kinds_of(command: str) -> list[str]:
    return [
        *(kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, command)),
        *("elsewhere" for pattern in ELSEWHERE if re.fullmatch(pattern, command)),
    ]


TEXTS = [README[0], *(guide.read_text(encoding="utf-8") for guide in GUIDES)]
ALL = list(dict.fromkeys(command for text in TEXTS for command in commands(text)))


_ADDRESS = r" --(server\.|browser\.server)?(port|address|Address) \S+"
ALIKE = {
    "alone": r"(?<=--fit )(cpu:)?\d+$",
    "stored": r"(?<=backup )\S+$",
    "asking": r" (--model )?Qwen/[\w.-]+| --base-url \S+|(?<=video\.mp4 )\"[^\"]*\"$",
    "fetching": r" (--model )?Qwen/[\w.-]+",
    "lasting": rf"{_ADDRESS}| --model-path \S+(?= --port| --tools)",
}
"""For a kind of command, what its test replaces with something of its own, and values of which any proves the rest."""


_ALWAYS = 1
"""Lines of a command that every run of the tests executes, beginning with the README; a thorough run executes all."""


def each(kind: str) -> pytest.MarkDecorator:
    """Every command of this kind; of commands that are alike but for the model, the address or a number, the last."""
    alike = ALIKE.get(kind, r"$^")
    mine = [command for command in ALL if kinds_of(command) == [kind]]
    alone = {re.sub(alike, "", command): command for command in mine}.values()
    seen: Counter[str] = Counter()
    params = []
    for command in alone:
        same = command.replace("python3 scripts/bootstrap.py", "make")  # which runs that
        name = " ".join([word for word in same.split() if not re.match(r"[A-Z_]+=", word)][:2])
        seen[name] += 1
        starts_engine = [pytest.mark.engine] if name == "framelens serve" else []
        again = [pytest.mark.thorough] if kind != "setting" and seen[name] > _ALWAYS else []
        params.append(pytest.param(command, marks=starts_engine + again))
    return pytest.mark.parametrize("command", params)


# ---- what holds for all of them --------------------------------------------------------------------------------------


def test_every_command_is_of_one_kind() -> None:
    wrong = {command: kinds_of(command) for command in ALL if len(kinds_of(command)) != 1}
    assert not wrong, (
        "A guide has a command that no test runs, or that two would. Say in KINDS of tests/test_guides.py how it is "
        f"run (or in ELSEWHERE why it cannot be): {wrong}"
    )


def test_commands_are_found_and_unknown_ones_have_no_kind() -> None:
    text = "Type `framelens conjure up` (a `framelens` command, `make` too).\n\n```bash\nls x  # look\n```\n"
    assert commands(text) == ["ls x", "framelens conjure up"]
    assert kinds_of("framelens conjure up") == []


def test_every_reason_for_not_running_one_is_still_needed() -> None:
    assert [pattern for pattern in ELSEWHERE if not any(re.fullmatch(pattern, command) for command in ALL)] == []


def test_both_languages_carry_the_same_commands() -> None:
    def output(text: str) -> list[str]:
        return [_FREE_TEXT.sub("", command) for command in commands(text)]

    assert output(README[0]) == output(README[1])
    for guide in GUIDES:
        chinese = guide.with_name(guide.name.replace(".en.", ".zh."))
        assert output(guide.read_text(encoding="utf-8")) == output(chinese.read_text(encoding="utf-8")), guide.name


# ---- where they run --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A folder like a checkout in which FrameLens is installed, and what the commands are given to live on."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str, codes: tuple[int, ...] = (0,), **more: str) -> subprocess.CompletedProcess[str]:
        """`command` as a shell runs it, at its end; every file that it names for its output must be there then."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            encoding="utf-8",
            timeout=LONGEST_WAIT_SECONDS,
            check=False,
        )
        assert done.returncode in codes, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        for target in re.findall(r"(?:--output|--zip|--sheet|>) (\S+)", command):
            assert (self.folder / target).exists(), target
        return done


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with models in it, data that all commands share, and the videos that they are about."""
    folder = tmp_path_factory.mktemp("guides")
    hub = folder / "home/.cache/huggingface/hub"
    (folder / "home/models").mkdir(parents=True)
    (folder / "home/models/mine").symlink_to(ROOT / "tests/fixtures/tiny-vl")
    hub.mkdir(parents=True)
    write_video(folder / "video.mp4", cards([*COLOURS] * 3, 8, 320, 180), rate=2)
    write_video(folder / "in.mov", cards(COLOURS, 2), rate=5)
    return folder


@pytest.fixture
def place(shared: Path, tmp_path: Path) -> Place:
    folder = tmp_path / "checkout"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (folder / ".env").touch()  # a developer's own is not read then
    for name in (".env.example", "Makefile", "pyproject.toml", "setup.py", "constraints", "app", "framelens"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("download_model.sh", "scripts/bootstrap.py"):  # these look around where they are
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "download_model.sh").chmod(0o755)
    for name in ("video.mp4", "in.mov"):
        (folder / name).symlink_to(shared / name)
    (folder / "clips/door").mkdir(parents=True)
    for name in ("a.mp4", "b.mkv", "c.mov", "monday.mp4", "tuesday.mp4", "clips/door/visit.mp4"):
        (folder / name).write_bytes((shared / "in.mov").read_bytes())
    (folder / "list.txt").write_text("# of cameras\nclips\n")
    (folder / "badge.jpg").write_bytes(to_jpeg(draw_card("red")))
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(shared / "home"),
        "HF_HOME": str(shared / "home/.cache/huggingface"),
        "HF_ENDPOINT": NOWHERE,
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "FRAMELENS_DATA_DIR": str(shared / "data"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "tests/no_text"),
    }
    return Place(folder, {**os.environ, **own})


# ---- each kind -------------------------------------------------------------------------------------------------------


@each("setting")
def test_a_setting_is_one_that_the_program_takes(command: str, place: Place) -> None:
    output = place.run(f"{command}; env -0").stdout
    environ = dict(line.split("=", 1) for line in output.split("\0") if "=" in line)
    name = command.removeprefix("export ").partition("=")[0]
    settings = config.load(environ, place.folder / ".env")  # tells what is wrong with it
    assert name in {*variables_of_ours(), *ENGINE_VARIABLES, "VLLM_MODEL_PATH", "VLLM_CONFIG"}
    if name == "VLLM_CONFIG":
        assert json.loads(environ[name]).items() <= settings.vllm_config.items()


@pytest.mark.slow
@each("alone")
def test_what_needs_no_model_is_done(command: str, place: Place) -> None:
    if command.startswith("ffmpeg ") and not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    checks = ("framelens models check", "framelens doctor")
    codes = (0, 4) if command.startswith(checks) else (0,)  # 4 says that it would not start here
    done = place.run(command, codes)
    quiet = re.search(r"--quiet|> |^cp |^ls |^source |^ffmpeg |--output", command)
    assert done.stdout.strip() or quiet, done.stderr


@pytest.fixture(scope="module")
def reported(shared: Path) -> Path:
    """A data folder with a report in it, and beside it the report as JSON."""
    environment = {**os.environ, "FRAMELENS_DATA_DIR": str(shared / "reported"), "FRAMELENS_LANGUAGE": "en"}
    words = [sys.executable, "-m", "framelens.cli.main", "analyse", "in.mov", "--no-model", "--frames", "2", "--output"]
    subprocess.run([*words, "report.json"], cwd=shared, env=environment, check=True, capture_output=True)
    return shared / "reported"


@pytest.mark.slow
@each("stored")
def test_what_is_about_reports_finds_the_one_that_is_there(command: str, place: Place, reported: Path) -> None:
    data = shutil.copytree(reported, place.folder / "data")
    (place.folder / "report.json").symlink_to(reported.parent / "report.json")
    done = place.run(command, FRAMELENS_DATA_DIR=str(data))
    assert done.stdout.strip() or "--output" in command


@pytest.mark.engine
@each("asking")
def test_what_asks_a_model_is_answered_by_one_that_saw(command: str, place: Place, vl_endpoint: Endpoint) -> None:
    command = re.sub(r"--model \S+", "", command).replace("http://127.0.0.1:8000/v1", vl_endpoint.base_url)
    given = {"FRAMELENS_BASE_URL": vl_endpoint.base_url, "FRAMELENS_API_KEY": vl_endpoint.api_key}
    paths = os.pathsep.join(str(ROOT / "tests" / name) for name in ("no_text", "in_words"))
    place.run(command, **given, FRAMELENS_ANSWER_TOKENS="48", PYTHONPATH=paths, LC_ALL="C.UTF-8")
    for report in place.folder.glob("*.md"):
        text = report.read_text(encoding="utf-8")
        assert "text mode" not in text and "文本模式" not in text and "AI model" in text


@pytest.mark.slow
@each("fetching")
def test_documented_downloads_leave_a_whole_model(command: str, place: Place, tmp_path: Path) -> None:
    words = [word for word in shlex.split(command) if re.match(r"\w+/|~", word)]
    usual = with_recommended(config.load({"FRAMELENS_DATA_DIR": str(tmp_path / "data")}, Path(os.devnull))).model_path
    model = words[0] if words else usual
    folder = tmp_path / "home" / (words[1].removeprefix("~/") if words[1:] else f"models/{model.partition('/')[2]}")
    kind: HubKind = "modelscope" if "modelscope" in command else "huggingface"
    with serve(Hub(model, model_files(), kind=kind)) as hub:
        addresses = {"HF_ENDPOINT": hub.url, "MODELSCOPE_ENDPOINT": hub.url, "FRAMELENS_HUB": kind}
        place.run(command, HOME=str(tmp_path / "home"), HF_HOME=str(tmp_path / "hf"), **addresses)
    check_model_folder(folder)


@pytest.mark.slow
@each("lasting")
def test_what_runs_until_it_is_ended_answers_and_ends(command: str, place: Place) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = re.sub(_ADDRESS, "", command)
    tiny = ROOT / "tests/fixtures" / ("tiny-text" if "--force-type text" in command else "tiny-vl")
    command = re.sub(r"--model-path \S+", f"--model-path {tiny}", command)
    serves = command.startswith("framelens serve")
    exchanged = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true", "VLLM_MODEL_PATH": str(tiny)}
    _install(place, f"VLLM_MODEL_PATH={tiny}")
    with _running(place, f"exec {command}{f' --port {port}' if serves else ''}", **exchanged):
        answer = _answer(f"http://127.0.0.1:{port}/{'v1/models' if serves else '_stcore/health'}")
        assert answer == (401 if serves else 200)  # without its key, framelens serve says nothing
        assert b"Installing" not in (place.folder / "log").read_bytes()


@pytest.mark.slow
@each("speaking")
def test_servers_of_tools_start_and_end(command: str, place: Place) -> None:
    pytest.importorskip("mcp")
    command = re.sub(r"(?<=--http )\d+", "0", command)
    if "--http" in command:
        with _running(place, f"exec {command}"):
            _await(lambda: b"Bearer" in (place.folder / "log").read_bytes())
    else:
        done = place.run(f"{command} < /dev/null")  # without a client it ends
        assert (done.stdout, "Bearer" in done.stderr) == ("", False)


@pytest.mark.slow
@each("watching")
def test_what_watches_a_folder_ends_with_its_results(command: str, place: Place) -> None:
    with _running(place, f"exec {command} --no-model --frames 2"):
        _await(lambda: list(place.folder.glob("results/summary.csv")))


@pytest.mark.slow
@each("installing")
def test_what_installs_finds_that_all_is_there(command: str, place: Place) -> None:
    _install(place, " ".join(re.findall(r"FRAMELENS_EXTRA=\w+", command)))
    assert "Installing" not in place.run(command).stdout


@each("rehearsed")
def test_what_takes_long_is_known_to_make(command: str, place: Place) -> None:
    assert "bootstrap.py" in place.run(f"{command} --dry-run").stdout


@needs_vllm
@each("parsed")
def test_what_wants_a_gpu_names_arguments_that_vllm_has(command: str) -> None:
    named = {flag.replace("-", "_") for flag in re.findall(r" --([a-z-]+)", command)}
    assert "model" in named
    assert named - argument_names() <= {"host", "port", "api_key"}  # these are the server's own


@pytest.mark.engine
@pytest.mark.thorough
@needs_vllm
def test_what_wants_a_gpu_is_understood_by_the_parser_of_vllm(place: Place) -> None:
    asked = [shlex.split(command)[3:] for command in ALL if kinds_of(command) == ["parsed"]]
    script = (
        "import json, sys\n"
        "from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args\n"
        "from vllm.utils.argparse_utils import FlexibleArgumentParser\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    validate_parsed_serve_args(make_arg_parser(FlexibleArgumentParser()).parse_args(words))\n"
        "    print('understood')\n"
    )
    done = place.run(f"python -c {shlex.quote(script)} {shlex.quote(json.dumps(asked))}")
    assert done.stdout.splitlines().count("understood") == len(asked) > 1


def _install(place: Place, assignment: str) -> None:
    """Note in the checkout that what `scripts/bootstrap.py` would install is there: it is, one folder further."""
    noted = "STAMP.write_text(fingerprint(wanted_extra(with_tests=False)) + ' tests')"
    place.run(f'{assignment} PYTHONPATH=scripts python3 -c "from bootstrap import *; {noted}"')


@contextmanager
def _running(place: Place, command: str, **more: str) -> Iterator[None]:
    """The command as long as the block runs; then SIGTERM ends it, and nothing that it started is left."""
    environment = {**place.environment, **more}
    log = (place.folder / "log").open("wb")
    with (
        log,
        subprocess.Popen(["bash", "-c", command], cwd=place.folder, env=environment, stdout=log, stderr=log) as it,
    ):
        try:
            yield
        finally:
            below = psutil.Process(it.pid).children(recursive=True)
            it.send_signal(signal.SIGTERM)
            it.wait(60)
            _, left = psutil.wait_procs(below, timeout=30)
            for process in left:
                process.kill()
    assert not left


def _await(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.2)


def _answer(url: str) -> int:
    """The status of the first answer that is not "not yet"."""
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            assert time.monotonic() < end, url
            time.sleep(0.1)
