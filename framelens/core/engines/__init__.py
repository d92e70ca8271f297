"""Facts about engines without a running one: their arguments and architectures, and the hubs of models."""
