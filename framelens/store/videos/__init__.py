"""Videos in the data folder: uploads and links, as they arrive and as they are kept."""
