"""On PYTHONPATH, commands ask an engine without a schema: the test models write lines and were never shown a JSON."""

from functools import partialmethod

from framelens.analysis.requests.engine_connector import EngineConnector

EngineConnector.__init__ = partialmethod(EngineConnector.__init__, takes_schema=False)  # type: ignore[assignment]
