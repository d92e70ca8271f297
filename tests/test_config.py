import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from framelens import config
from framelens.config import DEFAULT_MODEL_PATH, DEFAULT_VLLM_CONFIG, Settings, keep_choice, load, unread_env_file
from framelens.core.errors import ConfigError
from framelens.i18n import error_text

REPOSITORY = Path(__file__).resolve().parents[1]


def test_without_settings_the_defaults_hold(tmp_path: Path) -> None:
    settings = load({"FRAMELENS_DATA_DIR": str(tmp_path)})
    assert settings.model_path == "Qwen/Qwen2.5-VL-7B-Instruct"
    assert not settings.model_chosen
    assert settings.vllm_config == {
        "max_model_len": 8192,
        "gpu_memory_utilization": 0.80,
        "tensor_parallel_size": 1,
        "dtype": "half",
        "trust_remote_code": False,
    }


def test_vllm_config_is_merged_over_the_defaults() -> None:
    settings = load({"VLLM_CONFIG": '{"max_model_len": 4096, "enforce_eager": true}'})
    assert settings.vllm_config == {**DEFAULT_VLLM_CONFIG, "max_model_len": 4096, "enforce_eager": True}


def test_environment_precedes_dotenv_precedes_default(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("VLLM_MODEL_PATH=from/dotenv\nFRAMELENS_LANGUAGE=zh\n")
    assert load({}, dotenv).model_path == "from/dotenv"
    assert load({"VLLM_MODEL_PATH": "from/environment"}, dotenv).model_path == "from/environment"
    assert load({"VLLM_MODEL_PATH": "from/environment"}, dotenv).language == "zh"
    assert load({"VLLM_MODEL_PATH": ""}, dotenv).model_path == "from/dotenv"


@pytest.mark.parametrize(
    "path",
    [
        "Qwen/Qwen2.5-VL-3B-Instruct",
        "/root/models/Qwen2.5-VL-7B-Instruct",
        r"C:\models\new folder\Qwen2.5-VL",
        "~/.cache/huggingface/hub/models--Qwen--Qwen2.5-VL-7B-Instruct/snapshots/abc",
    ],
)
def test_model_paths_survive_dotenv_unchanged(path: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"VLLM_MODEL_PATH={path}\n")
    assert load({}, tmp_path / ".env").model_path == path


def test_the_page_of_a_model_is_its_id() -> None:
    settings = load({"VLLM_MODEL_PATH": "https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct/tree/main"})
    assert settings.model_path == "Qwen/Qwen2.5-VL-3B-Instruct"
    assert replace(settings, model_path="hf.co/some/model").model_path == "some/model"


def test_env_example_is_valid_and_holds_the_defaults(tmp_path: Path) -> None:
    example = load({"FRAMELENS_DATA_DIR": str(tmp_path)}, REPOSITORY / ".env.example")
    assert (example.vllm_config, example.model_path) == (DEFAULT_VLLM_CONFIG, DEFAULT_MODEL_PATH)


def test_every_setting_is_named_in_the_example_file() -> None:
    source = (REPOSITORY / "framelens" / "config.py").read_text()
    example = (REPOSITORY / ".env.example").read_text()
    names = set(re.findall(r"\bFRAMELENS_[A-Z0-9_]*[A-Z0-9]\b", source))
    assert names
    assert [name for name in names if name not in example] == []


@pytest.mark.parametrize(
    ("environ", "key", "named"),
    [
        ({"VLLM_CONFIG": "{max_model_len: 1}"}, "setting_not_json", "{max_model_len: 1}"),
        ({"VLLM_CONFIG": "[1]"}, "setting_not_object", "[1]"),
        ({"VLLM_CONFIG": '{"dtype": "half", "dtype": "auto"}'}, "setting_repeats", "dtype"),
        ({"FRAMELENS_SPEECH": "[1]"}, "setting_not_object", "[1]"),
        ({"FRAMELENS_SPEECH": '{"config": [1]}'}, "speech_config_wrong", "[1]"),
        ({"FRAMELENS_SPEECH": '{"config": {"max_modl_len": 1}}'}, "speech_config_wrong", "max_modl_len"),
        ({"FRAMELENS_SPEECH": '{"language": 7}'}, "setting_text", "7"),
        ({"FRAMELENS_EMBEDDING": "org/embedding"}, "setting_address", "org/embedding"),
        ({"FRAMELENS_FINDER": "org/finder"}, "setting_address", "org/finder"),
        ({"FRAMELENS_ACCOUNTS": '{"idle_hour": 8}'}, "setting_part_misspelt", "idle_hours"),
        ({"FRAMELENS_ACCOUNTS": '{"idle_hours": 0.5}'}, "setting_number", "0.5"),
        ({"FRAMELENS_ACCOUNTS": '{"new_users": "administrator"}'}, "setting_choice", "viewer, analyst"),
        ({"FRAMELENS_LIMITS": "20"}, "setting_not_object", "20"),
        ({"FRAMELENS_LIMITS": '{"bandwidth": 1}'}, "setting_part_unknown", "user_jobs"),
        ({"FRAMELENS_LIMITS": '{"user_jobs": true}'}, "setting_number", "true"),
        ({"FRAMELENS_NETWORK": '{"private_networks": ["10.0.0.1/8"]}'}, "network_wrong", "10.0.0.1/8"),
        ({"FRAMELENS_NETWORK": '{"source_urls": ["media.example"]}'}, "source_url_wrong", "media.example"),
        ({"FRAMELENS_LANGUAGE": "fr"}, "setting_choice", "fr"),
        ({"FRAMELENS_INPUT_DIRS": "/no/such/folder"}, "input_dir_missing", "/no/such/folder"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_given(environ: dict[str, str], key: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ)
    assert caught.value.key == key
    for language in ("zh", "en"):
        assert named in error_text(caught.value, language)


def test_unknown_engine_argument_suggests_nearest_name() -> None:
    with pytest.raises(ConfigError) as caught:
        load({"VLLM_CONFIG": '{"max_modl_len": 4096}'})
    text = error_text(caught.value, "en")
    assert "max_modl_len" in text
    assert "max_model_len" in text


def test_variables_of_other_programs_may_stand_in_dotenv(tmp_path: Path) -> None:
    lines = ["HF_ENDPOINT=https://hf-mirror.com", "VLLM_CPU_KVCACHE_SPACE=4", "VLLM_MODEL_PATH=x", "SHELL=no"]
    (tmp_path / ".env").write_text("\n".join(lines))
    passed_on = load({}, tmp_path / ".env").passed_on
    assert passed_on == {"HF_ENDPOINT": "https://hf-mirror.com", "VLLM_CPU_KVCACHE_SPACE": "4"}


def test_several_input_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    settings = load({"FRAMELENS_INPUT_DIRS": os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")])})
    assert settings.input_dirs == (tmp_path / "a", tmp_path / "b")


def test_listed_addresses_are_read_as_they_are_typed(tmp_path: Path) -> None:
    listed = {"FRAMELENS_NETWORK": '{"source_urls": ["HTTPS://例子.测试:8443/影片/", "https://*.example.org/"]}'}
    wanted = ("https://xn--fsqu00a.xn--0zwm56d:8443/%E5%BD%B1%E7%89%87/", "https://*.example.org/")
    assert load(listed, dotenv=tmp_path / "no.env").sources.urls == wanted


@pytest.mark.parametrize(
    ("text", "base_url", "model", "language"),
    [
        ("small", "", "small", ""),
        ("/home/me/my models/whisper", "", "/home/me/my models/whisper", ""),
        (r"D:\models\whisper", "", r"D:\models\whisper", ""),
        ("http://127.0.0.1:8001/v1", "http://127.0.0.1:8001/v1", "", ""),
        ("https://box.example/v1  whisper-1", "https://box.example/v1", "whisper-1", ""),
        ("box:8001/v1", "box:8001/v1", "", ""),
        ('{"model": "http://box/v1 whisper-1", "language": "ZH"}', "http://box/v1", "whisper-1", "zh"),
        ('{"language": "en", "model": null}', "", "", "en"),
    ],
)
def test_speech_is_a_model_or_a_server(text: str, base_url: str, model: str, language: str) -> None:
    settings = load({"FRAMELENS_SPEECH": text})
    assert (settings.speech_base_url, settings.speech_model_path) == (base_url, model)
    assert settings.speech_language == language


def test_embedding_is_an_address_and_a_model() -> None:
    settings = load({"FRAMELENS_EMBEDDING": "http://127.0.0.1:8002/v1 org/embedding"})
    assert (settings.embedding_base_url, settings.embedding_model) == ("http://127.0.0.1:8002/v1", "org/embedding")
    assert load({"FRAMELENS_EMBEDDING": "http://127.0.0.1:8002/v1"}).embedding_model == ""


def test_parts_of_a_setting_are_read_and_others_keep_their_defaults() -> None:
    settings = load(
        {
            "FRAMELENS_SPEECH": '{"speaker_models": "/voices", "config": {"gpu_memory_utilization": 0.1}}',
            "FRAMELENS_ACCOUNTS": '{"session_hours": 24, "new_users": "viewer"}',
            "FRAMELENS_NETWORK": '{"trusted_proxies": "127.0.0.1 10.0.0.0/8", "private_networks": ["fd00::/8"]}',
            "FRAMELENS_LIMITS": '{"download_gb": "3", "user_jobs": 7}',
        }
    )
    assert (settings.speaker_model_path, settings.speech_config) == ("/voices", {"gpu_memory_utilization": 0.1})
    access = settings.access
    assert (access.idle_seconds, access.session_seconds, access.new_user_role) == (12 * 3600, 24 * 3600, "viewer")
    assert (access.trusted_proxies, settings.sources.private_networks) == (("127.0.0.1", "10.0.0.0/8"), ("fd00::/8",))
    assert (settings.sources.most_bytes, settings.user_limits.jobs) == (3 * 1000**3, 7)
    assert settings.user_limits.upload_bytes == 1000 * 1000**3


def test_a_key_in_the_wrong_setting_is_not_shown() -> None:
    for text in ('{"api_key": "sk-4711471147114711"}', '{"api_key": "sk-4711471147114711"'):
        with pytest.raises(ConfigError) as caught:
            load({"FRAMELENS_SPEECH": text})
        for language in ("en", "zh"):
            assert "4711" not in error_text(caught.value, language)


def test_model_path_and_config_import_as_in_guide() -> None:
    command = (
        "import sys; sys.path.insert(0, '.'); from framelens.config import VLLM_MODEL_PATH, VLLM_CONFIG; "
        "import json; print(f'模型路径: {VLLM_MODEL_PATH}'); print(json.dumps(VLLM_CONFIG))"
    )
    environ = {**os.environ, "VLLM_MODEL_PATH": "/root/models/x", "VLLM_CONFIG": '{"dtype": "bfloat16"}'}
    environ["PYTHONIOENCODING"] = "utf-8"
    # -S: without any installed package, as a system's own python3 would run it
    done = subprocess.run(
        [sys.executable, "-S", "-c", command],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == "模型路径: /root/models/x"
    assert json.loads(second) == {**DEFAULT_VLLM_CONFIG, "dtype": "bfloat16"}


def test_a_dtype_is_chosen_where_variables_name_it(tmp_path: Path) -> None:
    folder = {"FRAMELENS_DATA_DIR": str(tmp_path)}
    assert not load({**folder, "VLLM_CONFIG": '{"max_model_len": 4096}'}).dtype_chosen
    assert load({**folder, "VLLM_CONFIG": '{"dtype": "half"}'}).dtype_chosen
    keep_choice(load({**folder, "VLLM_MODEL_PATH": "org/chosen"}))
    assert load(folder).vllm_config["dtype"] == "half" and not load(folder).dtype_chosen


@pytest.mark.parametrize(("language", "words"), [("zh", "类型不对"), ("en", "has the wrong type")])
def test_a_wrong_setting_is_explained_where_it_is_imported(
    language: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_CONFIG", '{"max_model_len": "many"}')
    monkeypatch.setenv("FRAMELENS_LANGUAGE", language)
    with pytest.raises(ConfigError, match=words):
        importlib.import_module("app.config").VLLM_CONFIG  # noqa: B018


@pytest.mark.parametrize("name", ["", "SPEECH_", "EMBEDDING_", "FINDER_", "SERVE_"])
@pytest.mark.parametrize("key", ["sk-1\nsk-2", "sk-\u4e2d\u6587", "sk-\u2014hidden", "sk-\x00"])
def test_unusable_key_is_refused_by_name_and_not_shown(name: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({f"FRAMELENS_{name}API_KEY": key})
    for language in ("en", "zh"):
        text = error_text(caught.value, language)
        assert f"FRAMELENS_{name}API_KEY" in text and "sk-" not in text


@pytest.mark.parametrize("name", ["", "SPEECH_", "EMBEDDING_"])
def test_blanks_around_a_key_are_left_out(name: str) -> None:
    settings = load({f"FRAMELENS_{name}API_KEY": " secret-1\n"})
    assert getattr(settings, f"{name.lower()}api_key") == "secret-1"


def test_model_chosen_on_page_survives_restart(tmp_path: Path) -> None:
    folder = {"FRAMELENS_DATA_DIR": str(tmp_path)}
    keep_choice(load({**folder, "VLLM_MODEL_PATH": "org/chosen", "VLLM_CONFIG": '{"max_model_len": 4096}'}))
    again = load(folder)
    assert (again.model_path, again.vllm_config["max_model_len"]) == ("org/chosen", 4096)
    assert load({**folder, "VLLM_MODEL_PATH": "org/named"}).vllm_config == DEFAULT_VLLM_CONFIG
    assert load({**folder, "FRAMELENS_BASE_URL": "http://localhost:1/v1"}).model_path != "org/chosen"
    (tmp_path / "model.json").write_text("half a")
    assert load(folder).vllm_config == DEFAULT_VLLM_CONFIG


def test_dotenv_of_the_current_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := tmp_path / "videos").mkdir()
    monkeypatch.chdir(folder)
    (folder / ".env").write_text("FRAMELENS_BASE_URL=http://elsewhere.invalid/v1\n")
    data = {"FRAMELENS_DATA_DIR": str(tmp_path)}
    assert load(data).base_url == "" and unread_env_file(data) == folder / ".env"
    named = {**data, "FRAMELENS_ENV_FILE": ".env"}
    assert load(named).base_url == "http://elsewhere.invalid/v1" and unread_env_file(named) is None
    (folder / ".env").write_text("DATABASE=of/another/program\n")
    assert unread_env_file(data) is None


def test_own_dotenv_precedes_that_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, users = tmp_path / "own", tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(users))
    monkeypatch.setattr(config, "REPOSITORY", own)
    for folder, language in ((users / "framelens", "zh"), (own, "en")):
        folder.mkdir(parents=True)
        (folder / ".env").write_text(f"FRAMELENS_LANGUAGE={language}\n")
        assert load({}).language == language


def test_missing_files_and_hidden_keys_of_settings() -> None:
    # A missing file of settings is named.
    with pytest.raises(ConfigError, match="dotenv_missing"):
        load({"FRAMELENS_ENV_FILE": "no/such.env"})
    # The key never shows in a repr.
    assert "secret" not in repr(load({"FRAMELENS_API_KEY": "secret", "FRAMELENS_SPEECH_API_KEY": "secret"}))
    assert isinstance(load({}), Settings)


def test_code_is_never_loaded_by_a_choice_on_the_page(tmp_path: Path) -> None:
    folder = {"FRAMELENS_DATA_DIR": str(tmp_path)}
    arguments = {"max_model_len": 4096, "tool_parser_plugin": "/videos/evil.py", "worker_cls": None}
    given = {**folder, "VLLM_MODEL_PATH": "org/chosen", "VLLM_CONFIG": json.dumps(arguments)}
    assert load(given).vllm_config["tool_parser_plugin"] == "/videos/evil.py"
    keep_choice(load(given))
    again = load(folder)
    assert again.vllm_config["max_model_len"] == 4096 and "tool_parser_plugin" not in again.vllm_config


def test_remote_engine_and_key_are_kept_for_owner_only(tmp_path: Path) -> None:
    folder = {"FRAMELENS_DATA_DIR": str(tmp_path)}
    (tmp_path / "model.json").write_text("{}")  # what an earlier choice left, which everybody may read
    there = {"FRAMELENS_BASE_URL": "http://box:8000/v1", "FRAMELENS_API_KEY": "secret"}
    keep_choice(load({**folder, **there}))
    assert (tmp_path / "model.json").stat().st_mode & 0o777 == 0o600
    again = load(folder)
    assert (again.base_url, again.api_key, again.model_chosen) == ("http://box:8000/v1", "secret", False)
    keep_choice(load({**folder, **there, "VLLM_MODEL_PATH": "served/one"}))
    assert (load(folder).model_path, load(folder).model_chosen) == ("served/one", True)
    assert load({**folder, "VLLM_MODEL_PATH": "org/named"}).base_url == ""
    keep_choice(load({**folder, "VLLM_MODEL_PATH": "org/back"}))
    assert (load(folder).base_url, load(folder).api_key, load(folder).model_path) == ("", "", "org/back")


def test_folders_are_understood_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my data").mkdir()
    named = {
        "FRAMELENS_DATA_DIR": "'~/my data'",
        "FRAMELENS_INPUT_DIRS": f'"{tmp_path / "my data"}"',
    }
    settings = load(named)
    assert settings.data_dir == tmp_path / "my data" and settings.input_dirs == (tmp_path / "my data",)
    assert settings.template_dir == tmp_path / "my data" / "templates"
