"""Actions of Django's admin: "Export selected orders as CSV"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from polyglot_export.formats.registry import Format
from polyglot_export.integrations.django.response import ExportResponse

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

__all__ = ["ExportAdminMixin"]


class ExportAdminMixin:
    """``class OrderAdmin(ExportAdminMixin, admin.ModelAdmin)``: the selected rows, or all that the list is filtered to,
    as a file. Whoever may view the rows may export them; the admin's log notes it.
    """

    export_formats: Sequence[str] = ("csv", "xlsx", "json")
    """Formats that are offered, by their names."""
    export_fields: Sequence[str] | None = None
    """Fields of the model that are exported. ``None`` for those that the list shows or, where that shows no field, the
    page of an object: never more than the admin shows anyway."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Django's, and one for each format."""
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        if "_popup" in request.GET or not self.has_view_permission(request):  # type: ignore[attr-defined]
            return actions
        for name in self.export_formats:
            record = Format(name).record
            title = f"Export selected %(verbose_name_plural)s as {record.title}"
            actions[f"export_as_{name}"] = (_action(name), f"export_as_{name}", title)
        return {name: self._with_words(*action) for name, action in actions.items()}

    def get_export_fields(self, request: HttpRequest) -> list[str]:
        """The fields that this user's export has."""
        if self.export_fields is not None:
            return list(self.export_fields)
        from django.contrib.admin.utils import flatten_fieldsets

        model: Any = self.model  # type: ignore[attr-defined]
        known = {field.name for field in model._meta.concrete_fields}
        shown = [name for name in self.get_list_display(request) if name in known]  # type: ignore[attr-defined]
        if not shown:
            page = flatten_fieldsets(self.get_fieldsets(request))  # type: ignore[attr-defined]
            shown = [name for name in page if name in known]
        key = model._meta.pk.name
        return shown if key in shown else [key, *shown]

    def _with_words(self, run: Callable[..., Any], name: str, title: str) -> tuple[Callable[..., Any], str, str]:
        from django.contrib.admin.utils import model_format_dict

        if not name.startswith("export_as_"):
            return run, name, title
        return run, name, title % model_format_dict(self.opts)  # type: ignore[attr-defined]


def _action(name: str) -> Callable[[Any, HttpRequest, QuerySet[Any]], ExportResponse]:
    def export(admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> ExportResponse:
        record = Format(name).record
        options = admin.model._meta
        rows = queryset.select_related(None).values(*admin.get_export_fields(request))
        response = ExportResponse(
            request, rows, format=name, filename=f"{options.verbose_name_plural}{record.endings[0]}"
        )
        try:
            if response.status_code == 200:
                _log(request, options.model, f"Exported as {record.title}.")
        except BaseException:
            response.close()
            raise
        return response

    return export


def _log(request: HttpRequest, model: Any, message: str) -> None:
    """A line in the admin's log, which has no flag of its own for what was read."""
    from django.contrib.admin.models import CHANGE, LogEntry
    from django.contrib.contenttypes.models import ContentType

    LogEntry.objects.create(
        user_id=request.user.pk,
        content_type=ContentType.objects.get_for_model(model),
        object_repr=str(model._meta.verbose_name_plural)[:200],
        action_flag=CHANGE,
        change_message=message,
    )
