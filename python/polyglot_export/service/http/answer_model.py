"""What all models of answers share. OpenAPI is made from them, and so is every answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

__all__ = ["AnswerModel", "Time", "time_text"]

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""ISO 8601 in UTC with milliseconds."""


class AnswerModel(BaseModel):
    """An answer, or a part of one. Its members are camelCase."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    def members(self) -> dict[str, Any]:
        """The members as they are sent."""
        return self.model_dump(by_alias=True)


def time_text(at: datetime) -> str:
    """A time in UTC, as it is sent."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
