"""Names of picture files made out of columns, for catalogues that do not spell them."""

from __future__ import annotations

import string
from collections.abc import Mapping

from ruiji_server.importing.errors import ImportSettingsError


class ImageTemplate:
    """Text with column names in braces, such as `{id}.jpg`; `{{` and `}}` are braces themselves.

    Attributes:
        columns: those it needs, in order.
    """

    def __init__(self, template: str) -> None:
        """Parse a template.

        Raises:
            ImportSettingsError: it is malformed, or names no column.
        """
        fault = ImportSettingsError(
            f"{template!r} is no image template: put column names in braces, as in '{{id}}.jpg'"
        )
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError as error:
            raise fault from error
        if any(name == "" or spec or conversion for _, name, spec, conversion in parts):
            raise fault
        self._parts = [(literal, name) for literal, name, _, _ in parts]
        self.columns = tuple(name for _, name in self._parts if name is not None)
        if not self.columns:
            raise fault

    def fill(self, texts: Mapping[str, str]) -> str:
        """Return the template with each column's text in its place."""
        # Not str.format: there a column called `a.b` is an attribute of `a`.
        return "".join(literal + (texts[name] if name is not None else "") for literal, name in self._parts)
