"""JSON reports: schema, writer, reader and stream parser."""
