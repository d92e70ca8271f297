"""Builder of engines from the settings: the engine of the model, remote or local, and the engine for speech."""

from framelens.config import Settings, export_environment
from framelens.core.domain import Notice
from framelens.engine.base import Engine
from framelens.engine.engine_pool import EnginePool
from framelens.engine.remote_engine import RemoteEngine, normal_base_urls


def build_engine(settings: Settings, *, hears: bool = False) -> tuple[Engine, tuple[Notice, ...]]:
    """Build the engine that the settings describe, or with `hears` the one that transcribes speech.

    Returns:
        The engine, a NullEngine if it cannot be built, and notices about changes made to fit this machine.
    """
    export_environment(settings)
    if hears and settings.speech_base_url:
        return RemoteEngine(settings.speech_base_url, settings.speech_api_key, settings.speech_model_path), ()
    if settings.base_url and not hears:
        return build_remote_engine(settings), ()
    from framelens.engine.local import local_engine_builder

    if hears:
        return local_engine_builder.build_local_speech_engine(settings), ()
    return local_engine_builder.build_local_engine(settings)


def build_remote_engine(settings: Settings) -> Engine:
    """Build the remote engine that the settings name, a pool if there are several.

    Raises:
        ConfigError: An address can't be used.
    """
    engines = [
        RemoteEngine(base_url, settings.api_key, settings.requested_model, preferred=settings.model_path)
        for base_url in normal_base_urls(settings.base_url)
    ]
    return engines[0] if len(engines) == 1 else EnginePool(engines)
