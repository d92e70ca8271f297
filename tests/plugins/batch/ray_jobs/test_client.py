"""The address and the protection of a Ray cluster, before anything is sent to it."""

import sys

import pytest

from framelens.core.errors import AppError, ConfigError
from framelens.plugins.batch.ray_jobs import client
from framelens.plugins.batch.ray_jobs.client import RayCluster, normal_ray_address
from tests import loopback


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("head", "http://head:8265"),
        (" http://head:9000/ ", "http://head:9000"),
        ("https://head", "https://head:443"),
        ("127.0.0.1:8265", "http://127.0.0.1:8265"),
        ("http://[::1]:8265", "http://[::1]:8265"),
    ],
)
def test_addresses_are_those_of_the_job_api(given: str, address: str) -> None:
    assert normal_ray_address(given) == address


@pytest.mark.parametrize("given", ["", "ray://head:10001", "http://head:port", "http://head/jobs", "http://me:pw@head"])
def test_other_addresses_are_refused(given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        normal_ray_address(given)
    assert caught.value.key == "ray_address"
    assert "pw@" not in str(caught.value)


class _Open(loopback.Handler):
    def do_GET(self) -> None:
        self.send_json(200, {"ray_version": "2.60.0"})


def test_a_head_elsewhere_without_a_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "require_ray", lambda: None)
    monkeypatch.setattr(client, "_is_loopback", lambda host: False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with loopback.listening(_Open) as url, pytest.raises(ConfigError) as caught:
        RayCluster(url)
    assert caught.value.key == "ray_unprotected"


def test_a_head_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "require_ray", lambda: None)
    with pytest.raises(AppError) as caught:
        RayCluster("127.0.0.1:9")
    assert caught.value.key == "ray_unreachable"


def test_without_the_extra_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError) as caught:
        RayCluster("127.0.0.1")
    assert caught.value.key == "extra_missing"


def test_only_loopback_addresses_are_this_machine() -> None:
    assert client._is_loopback("127.0.0.1") and client._is_loopback("::1")
    assert not client._is_loopback("192.0.2.1") and not client._is_loopback("no.such.host.invalid")
