"""Files of records: a module for each format, the table of formats, and the report."""
