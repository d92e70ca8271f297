"""Hubs from which models are downloaded, and which of them the environment chooses.

Addresses, tokens and caches have the names that the hubs' own tools give them: HF_ENDPOINT, HF_TOKEN and HF_HOME for
Hugging Face, MODELSCOPE_ENDPOINT, MODELSCOPE_API_TOKEN and MODELSCOPE_CACHE for ModelScope.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit

from framelens.core.errors import ConfigError

HubKind = Literal["huggingface", "modelscope"]
MIRROR = "https://hf-mirror.com"
"""A mirror of Hugging Face for places where it is slow or unreachable, such as mainland China."""
_DEFAULTS: dict[HubKind, str] = {"huggingface": "https://huggingface.co", "modelscope": "https://modelscope.cn"}
_NAMES: dict[str, HubKind] = {
    **dict.fromkeys(("huggingface", "hugging face", "hugging-face", "hf"), "huggingface"),
    **dict.fromkeys(("modelscope", "ms", "魔搭"), "modelscope"),
}
_HUGGING_FACE_HOSTS = ("huggingface", "hf-mirror", "hf.co")
_PAGE = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com|modelscope\.(?:cn|ai)/models)"
    r"/([\w.-]+/[\w.-]+)(?:/(?:tree|blob|resolve|summary|files)\b.*)?/?"
)
_YES = {"1", "ON", "YES", "TRUE"}
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class ModelHub:
    """A hub and its address.

    Attributes:
        kind: The protocol that it speaks.
        endpoint: Its address without a slash at the end.
    """

    kind: HubKind
    endpoint: str

    @property
    def name(self) -> str:
        """Return the name under which people know the hub."""
        return "Hugging Face" if self.kind == "huggingface" else "ModelScope"

    @property
    def endpoint_setting(self) -> str:
        """Return the variable that sets the address."""
        return "HF_ENDPOINT" if self.kind == "huggingface" else "MODELSCOPE_ENDPOINT"

    @property
    def cache_setting(self) -> str:
        """Return the variable that sets the folder of downloads."""
        return "HF_HOME" if self.kind == "huggingface" else "MODELSCOPE_CACHE"

    @property
    def setting(self) -> str:
        """Return the value of FRAMELENS_HUB that chooses the hub; "" for Hugging Face, the default."""
        if self.kind == "huggingface":
            return ""
        return self.kind if self.endpoint == _DEFAULTS[self.kind] else self.endpoint

    @property
    def token(self) -> str:
        """Return the user's token for this hub from the environment, "" if it isn't set."""
        return os.environ.get("HF_TOKEN" if self.kind == "huggingface" else "MODELSCOPE_API_TOKEN", "")

    def file_url(self, model: str, name: str) -> str:
        """Return the address of a file of `model`."""
        if self.kind == "huggingface":
            return f"{self.endpoint}/{model}/resolve/main/{name}"
        return f"{self.endpoint}/api/v1/models/{quote(model)}/repo?Revision=master&FilePath={name}"


def chosen_hub() -> ModelHub:
    """Return the hub that the environment chooses; Hugging Face if FRAMELENS_HUB is wrong, which `config` reports."""
    try:
        return parse_hub(os.environ)
    except ConfigError:
        return hub_of("huggingface")


def parse_hub(values: Mapping[str, str]) -> ModelHub:
    """Return the hub that FRAMELENS_HUB among `values` names by its kind or its address.

    Without it, ModelScope is used where VLLM_USE_MODELSCOPE is on, or where an address is set for ModelScope and not
    for Hugging Face.

    Raises:
        ConfigError: The value is neither a hub nor an address.
    """
    setting = values.get("FRAMELENS_HUB", "").strip()
    if "://" in setting:
        return _by_address(setting)
    if not setting:
        return hub_of(_usual(values), values)
    kind = _NAMES.get(setting.lower())
    if kind is None:
        raise ConfigError("hub_unknown", value=setting)
    return hub_of(kind, values)


def hub_of(kind: HubKind, environ: Mapping[str, str] | None = None) -> ModelHub:
    """Return the hub of `kind` at the address that the environment gives it, or at its own."""
    values = os.environ if environ is None else environ
    names = ("HF_ENDPOINT",) if kind == "huggingface" else ("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN")
    address = next((values[name].strip() for name in names if values.get(name, "").strip()), _DEFAULTS[kind])
    return ModelHub(kind, (address if "://" in address else f"https://{address}").rstrip("/"))


def other_hubs(hub: ModelHub) -> tuple[ModelHub, ...]:
    """Return the known hubs that may have what `hub` doesn't give, a mirror of Hugging Face first."""
    hubs = (ModelHub("huggingface", MIRROR), hub_of("huggingface"), hub_of("modelscope"))
    return tuple(other for other in dict.fromkeys(hubs) if other.endpoint != hub.endpoint)


def _by_address(text: str) -> ModelHub:
    """Return the hub at an address: ModelScope, unless it is a known address of Hugging Face."""
    address = urlsplit(text)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ConfigError("hub_unknown", value=text)
    is_hugging_face = any(part in text.lower() for part in _HUGGING_FACE_HOSTS)
    return ModelHub("huggingface" if is_hugging_face else "modelscope", text.rstrip("/"))


def _usual(values: Mapping[str, str]) -> HubKind:
    wants = values.get("VLLM_USE_MODELSCOPE", "").strip().upper() in _YES
    only = bool(values.get("MODELSCOPE_ENDPOINT", "").strip()) and not values.get("HF_ENDPOINT", "").strip()
    return "modelscope" if wants or only else "huggingface"


def model_on_page(address: str) -> str:
    """Return the id of the model on whose page of a hub this address is, "" if it is no such address.

    >>> model_on_page("https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct/tree/main")
    'Qwen/Qwen2.5-VL-7B-Instruct'
    """
    match = _PAGE.fullmatch(address)
    return match[1] if match else ""


def is_offline() -> bool:
    """Return whether the hub's client is in offline mode, by its own variables."""
    return any(os.environ.get(name, "").upper() in _YES for name in _OFFLINE)
