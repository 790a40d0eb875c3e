"""Logs to one HTML page that opens offline. Everything shown comes from the log and the episodes it names."""

from .page import html as html
