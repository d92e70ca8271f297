"""Features of decoded pictures: signatures, metrics, colours, segments and text."""
