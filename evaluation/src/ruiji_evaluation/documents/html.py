"""Pages in one file, without scripts or outside references."""

from __future__ import annotations

import base64

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def render(package: str, template: str, **context: object) -> str:
    """Fill a template of a package; it may extend `base.html.jinja` and use the macros of `table.html.jinja`.

    Args:
        package: has a folder `templates`.
        template: its name there.
        context: what the template names; a name that is missing is an error.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("ruiji_evaluation.documents")]),
        # Titles, ids and categories come from strangers.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**context)


def data_uri(content: bytes, kind: str) -> str:
    """Return a picture file as a `data:` URI."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")
