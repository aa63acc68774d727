"""Whether an answer may be packed for its client."""

from __future__ import annotations

__all__ = ["takes_gzip"]


def takes_gzip(accepted: str) -> bool:
    """Whether a client takes gzip (RFC 9110, section 12.5.3); a weight of nought means never.

    Args:
        accepted: The value of ``Accept-Encoding``.
    """
    for each in accepted.lower().split(","):
        name, _, weight = each.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or weight == ""
    return False
