"""One file per command: a frozen dataclass `Command` whose fields are the options and whose call does the work."""
