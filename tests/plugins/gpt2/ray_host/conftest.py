"""A house whose engines are of clockwork, without Ray."""

from __future__ import annotations

from tests.plugins.gpt2.router.conftest import house

__all__ = ["house"]
