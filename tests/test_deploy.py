"""Deployment files: they parse, agree with the code and with each other, and give away no rights."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from framelens import config
from tests.cli.walk import parsed
from tests.reverse_proxy import NAME, ReverseProxy, documented
from tests.test_docs import ENGINE_VARIABLES, variables_of_ours

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILES = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and "wheels" not in path.parts]
COMPOSE = sorted(DEPLOY.glob("compose.*.yaml"))
DOCKERFILES = [DEPLOY / "Dockerfile", DEPLOY / "Dockerfile.engine"]
PAGE_PORT, ENGINE_PORT = 8501, 8000
OF_VLLM = {*ENGINE_VARIABLES, "VLLM_API_KEY", "VLLM_NO_USAGE_STATS"}

each_compose = pytest.mark.parametrize("file", COMPOSE, ids=lambda path: path.name)
each_dockerfile = pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.name)


def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def services(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(text(file))["services"])


def manifests() -> Iterator[dict[str, Any]]:
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        yield from yaml.safe_load_all(text(file))


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every pod with each of its containers."""
    for manifest in manifests():
        if manifest["kind"] == "Deployment":
            pod = manifest["spec"]["template"]["spec"]
            for container in pod["containers"]:
                yield pod, container


def images() -> set[str]:
    named = {service["image"] for file in COMPOSE for service in services(file).values()}
    built = {image for file in DOCKERFILES for image in re.findall(r"^FROM (\S+)", text(file), re.MULTILINE)}
    return named | built | {container["image"] for _, container in containers()}


def test_every_setting_in_deploy_exists() -> None:
    known = variables_of_ours() | OF_VLLM | {"VLLM_CONFIG", "VLLM_MODEL_PATH"}
    for file in FILES:
        named = set(re.findall(r"\b(?:FRAMELENS|VLLM)_[A-Z][A-Z_]*\b", text(file)))
        assert named <= known, file.name


def test_settings_of_the_services_are_accepted(tmp_path: Path) -> None:
    for file in COMPOSE:
        for service in services(file).values():
            given = {name: str(value) for name, value in service.get("environment", {}).items()}
            plain = {name: re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", r"\1", value) for name, value in given.items()}
            plain["FRAMELENS_INPUT_DIRS"] = str(tmp_path) if "FRAMELENS_INPUT_DIRS" in plain else ""
            assert config.load(plain, Path("/nowhere"))


def test_images_are_pinned_to_a_version() -> None:
    for image in images():
        name, _, tag = image.partition(":")
        assert re.search(r"\d", tag) and tag != "latest", image
        assert "." not in name.partition("/")[0], f"{image} names a registry"


def test_images_are_those_that_documents_name() -> None:
    version = PROJECT["project"]["version"]
    pinned = next(
        requirement
        for requirement in PROJECT["project"]["optional-dependencies"]["gpu"]
        if requirement.startswith("vllm==")
    )
    assert f"vllm/vllm-openai:v{pinned.split('==')[1].split(';')[0].strip()}" in images()
    assert all(f":{version}" in image for image in images() if image.startswith("framelens"))
    documents = [text(ROOT / f"docs/guide/deployment.{language}.md") for language in ("en", "zh")]
    ours = {image for image in images() if image.startswith("framelens")}
    assert all(image in document for image in ours for document in documents)


def test_extras_of_the_images_are_declared() -> None:
    extras = set(PROJECT["project"]["optional-dependencies"])
    dockerfile = text(DEPLOY / "Dockerfile")
    given = set(re.findall(r"EXTRAS[=:] ?([\w,]+)", dockerfile + "".join(map(text, COMPOSE))))
    assert {extra for names in given for extra in names.split(",")} <= extras


def test_images_install_what_has_a_known_hash() -> None:
    dockerfile = text(DEPLOY / "Dockerfile")
    assert "--require-hashes --no-deps --requirement constraints/uv.txt" in dockerfile
    assert '--constraint "constraints/$pins.txt"' in dockerfile
    assert "--build-constraints constraints/build.txt --require-build-hashes" in dockerfile
    seen = set(text(DEPLOY / "Dockerfile.dockerignore").splitlines())
    assert {"!constraints", "!setup.py", "!pyproject.toml"} <= seen


def test_ports_agree() -> None:
    dockerfile = text(DEPLOY / "Dockerfile")
    assert f"EXPOSE {PAGE_PORT}" in dockerfile and f'"--server.port", "{PAGE_PORT}"' in dockerfile
    assert f"127.0.0.1:{PAGE_PORT}/_stcore/health" in dockerfile
    for file in COMPOSE:
        for name, service in services(file).items():
            published = service.get("ports", [])
            assert published == ([f"127.0.0.1:{PAGE_PORT}:{PAGE_PORT}"] if name == "app" else []), (file, name)
    engine = services(DEPLOY / "compose.gpu.yaml")["engine"]
    assert f"--port={ENGINE_PORT}" in engine["command"]
    assert f"127.0.0.1:{ENGINE_PORT}/health" in engine["healthcheck"]["test"][-1]
    ports = {
        manifest["metadata"]["name"]: manifest["spec"]["ports"][0]["port"]
        for manifest in manifests()
        if manifest["kind"] == "Service"
    }
    assert ports == {"framelens": PAGE_PORT, "engine": ENGINE_PORT}
    for _, container in containers():
        assert container["ports"][0]["containerPort"] == ports[container["name"].replace("app", "framelens")]
    assert f"--server.port {PAGE_PORT}" in text(DEPLOY / "framelens.service")


def test_services_that_depend_on_health_have_a_check() -> None:
    for file in COMPOSE:
        found = services(file)
        for service in found.values():
            for name, wanted in service.get("depends_on", {}).items():
                assert wanted["condition"] == "service_healthy" and "healthcheck" in found[name]
    for _, container in containers():
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


@each_compose
def test_containers_have_no_rights_to_spare(file: Path) -> None:
    for service in services(file).values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged") and service.get("network_mode") != "host"


def test_pods_have_no_rights_to_spare() -> None:
    assert list(containers())
    for pod, container in containers():
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        allowed = container["securityContext"]
        assert allowed["readOnlyRootFilesystem"] and allowed["capabilities"] == {"drop": ["ALL"]}
        assert allowed["allowPrivilegeEscalation"] is False
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_manifests_refer_to_each_other_by_existing_names() -> None:
    all_ = list(manifests())
    claims = {manifest["metadata"]["name"] for manifest in all_ if manifest["kind"] == "PersistentVolumeClaim"}
    labels = [
        manifest["spec"]["template"]["metadata"]["labels"] for manifest in all_ if manifest["kind"] == "Deployment"
    ]
    for manifest in all_:
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "framelens"
        if manifest["kind"] == "Service":
            assert manifest["spec"]["selector"] in labels
        if manifest["kind"] == "Deployment":
            assert manifest["spec"]["selector"]["matchLabels"] in labels
            used = [volume.get("persistentVolumeClaim") for volume in manifest["spec"]["template"]["spec"]["volumes"]]
            assert {claim["claimName"] for claim in used if claim} <= claims


@each_dockerfile
def test_images_run_as_a_user_and_have_a_health_check(file: Path) -> None:
    last = re.split(r"^FROM ", text(file), flags=re.MULTILINE)[-1]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE) and "HEALTHCHECK" in last


def test_every_copied_path_exists_and_is_sent_to_the_build() -> None:
    ignored = text(DEPLOY / "Dockerfile.dockerignore")
    for line in re.findall(r"^COPY (?!--from)(.+)$", text(DEPLOY / "Dockerfile"), re.MULTILINE):
        for name in line.split()[:-1]:
            wanted = name.rstrip("*")
            assert f"!{wanted}\n" in ignored, name
            assert (ROOT / wanted).exists() or name.endswith("*"), name


@pytest.mark.usefixtures("english")
def test_commands_in_deploy_are_read_by_our_parser() -> None:
    unit = text(DEPLOY / "framelens.service")
    (command,) = re.findall(r"^ExecStart=\S*/framelens (.+)$", unit, re.MULTILINE)
    options = parsed(command.split())
    assert options.name == "app" and "--server.address" in options.unknown


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed on this system")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "framelens.service"
    lines = text(DEPLOY / "framelens.service").replace("/opt/framelens/.venv/bin/framelens", "/bin/true")
    unit.write_text(lines.replace("User=framelens\n", "User=daemon\n"), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "framelens" in line]) == (0, [])


def test_guides_name_the_proxies_that_are_attacked(tmp_path: Path) -> None:
    files = documented()
    assert files == {name: text(DEPLOY / name) for name in ("nginx.conf", "Caddyfile")}
    for is_caddy, name in ((False, "nginx.conf"), (True, "Caddyfile")):
        ReverseProxy(tmp_path, 8443, is_caddy=is_caddy).configure(8502)
        attacked = set(text(tmp_path / "framelens.conf").splitlines())
        ports = [line for line in files[name].splitlines() if line not in attacked]
        assert all("8501" in line or "listen" in line or NAME in line or "{" in line for line in ports), ports
