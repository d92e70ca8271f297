"""Facts about engines that need no running engine: their arguments and architectures, and the hubs of models."""
