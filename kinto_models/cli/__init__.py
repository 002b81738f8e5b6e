"""What programs in a terminal use. Needs the ``cli`` extra."""

from __future__ import annotations

from kinto_models.cli.progress import progress_bar

__all__ = ["progress_bar"]
