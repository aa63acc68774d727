"""Exports in a Django project, under WSGI and ASGI: a response, and an action of the admin."""

from __future__ import annotations

from polyglot_export.integrations.cut import CutBroken
from polyglot_export.integrations.django.admin import ExportAdminMixin
from polyglot_export.integrations.django.response import ExportResponse
from polyglot_export.integrations.limits import limits

__all__ = ["CutBroken", "ExportAdminMixin", "ExportResponse", "limits"]
