"""``Idempotency-Key`` on ``POST /exports`` (draft-ietf-httpapi-idempotency-key-header): a request that is sent again,
because its answer did not arrive, makes no second export.
"""

from __future__ import annotations

import hashlib
import json
import re

from starlette.datastructures import Headers

from polyglot_export.errors import SpecError
from polyglot_export.jobs.job import Job, RequestKey
from polyglot_export.request.parse import dump_spec
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.errors import KeyReused
from polyglot_export.text.exact_json import dumps

__all__ = ["check_same", "request_key"]

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
"""A string of RFC 9651, section 3.3.3, as the draft asks for; most clients send the key bare."""


def request_key(headers: Headers, spec: ExportSpec, file_stem: str) -> RequestKey | None:
    """The key of a request and what it was sent with, or ``None`` where there is none.

    Args:
        headers: Of the request.
        spec: What is asked for, complete; two bodies that mean the same have the same fingerprint.
        file_stem: Depends on the request, too.

    Raises:
        SpecError: It is no key.
    """
    given = headers.getlist(HEADER)
    if not given:
        return None
    quoted = _QUOTED.fullmatch(given[0].strip())
    value = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted is not None else given[0].strip()
    if len(given) > 1 or _KEY.fullmatch(value) is None:
        raise SpecError(HEADER, "must be one key of 1 to 255 visible ASCII characters, such as a UUID")
    canonical = dumps([dump_spec(spec), file_stem])
    return RequestKey(value, hashlib.sha256(canonical.encode()).hexdigest())


def check_same(wanted: Job, kept: Job) -> None:
    """Whether the job that the store has kept is what the request asks for.

    Raises:
        KeyReused: It was made by another request with the same key.
    """
    if wanted.key is None or kept.key is None or wanted.key.fingerprint == kept.key.fingerprint:
        return
    raise KeyReused(
        f"{HEADER}: the key {json.dumps(wanted.key.value)} belongs to export {kept.id}, which was asked for with "
        "another body; "
        "send the same body or a new key",
        field=HEADER,
    )
