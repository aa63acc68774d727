"""Errors of an object store as one sentence for a person.

obstore tells an error as a text of many lines, with the answer of the store inside. What a person can act upon is the
code of that answer; the rest is in ``__cause__``.
"""

from __future__ import annotations

import re

from polyglot_export.errors import TargetFailed
from polyglot_export.text.install import install_hint

__all__ = ["is_denied", "missing_library", "refused", "upload_of"]

_CODE = re.compile(r"<Code>\s*([A-Za-z0-9_.]+)\s*</Code>")
_BOTOCORE = re.compile(r"An error occurred \(([A-Za-z0-9_.]+)\)")
_MESSAGE = re.compile(r"<Message>\s*([^<]*?)\s*(?:RequestId:[^<]*)?</Message>", re.DOTALL)
_STATUS = re.compile(r"non-2xx status code: (\d{3})[^:]*")
_UPLOAD = re.compile(r"[?&](?:uploadId|upload_id)=([^&\s,\"]+)")

_EXPIRED = "its credentials have expired; sign in again, or renew the token"
_UNKNOWN = "the store does not know these credentials"
_DENIED = "these credentials may not do it"
_GONE = "the upload is gone: somebody ended it, or it was completed and the answer was lost"
_REASONS = {
    "NoSuchBucket": "there is no such bucket",
    "ContainerNotFound": "there is no such container",
    "ContainerBeingDeleted": "the container is being deleted",
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "InvalidToken": _UNKNOWN,
    "InvalidAccessKeyId": _UNKNOWN,
    "SignatureDoesNotMatch": _UNKNOWN,
    "AuthenticationFailed": _UNKNOWN,
    "InvalidAuthenticationInfo": _UNKNOWN,
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AuthorizationFailure": _DENIED,
    "AuthorizationPermissionMismatch": _DENIED,
    "InsufficientAccountPermissions": _DENIED,
    "RequestTimeTooSkewed": "the clock of this machine differs from the store's by more than it allows",
    "QuotaExceeded": "there is no room: the quota is used up",
    "InsufficientCapacity": "there is no room",
    "XMinioStorageFull": "there is no room",
    "EntityTooLarge": "the object is larger than the store takes",
    "NoSuchUpload": _GONE,
    "InvalidBlockList": _GONE,
    "SlowDown": "the store asked to be left alone for longer than it was waited for",
}
"""What the codes mean that people meet. Those of S3, Cloud Storage and the many that speak like S3 are the same."""
_BY_STATUS = {
    "301": "the bucket is in another region; set AWS_REGION",
    "401": _UNKNOWN,
    "403": _DENIED,
    "404": "there is no such bucket",
    "507": "there is no room",
}


def refused(name: str, error: BaseException, what: str = "write") -> TargetFailed:
    """The error to raise for one that obstore or botocore has raised.

    Args:
        name: The URL, as a user wrote it.
        error: What was raised.
        what: The verb of what could not be done.
    """
    return TargetFailed(f"cannot {what} {name}: {_reason(str(error))}")


def is_denied(error: BaseException) -> bool:
    """Whether the store knows who asks and does not allow this one request."""
    code = _CODE.search(str(error))
    if code is not None:
        return _REASONS.get(code[1]) == _DENIED
    status = _STATUS.search(str(error))
    return status is not None and status[1] == "403" and "token request" not in str(error)


def upload_of(error: BaseException) -> str | None:
    """The identifier of the upload that failed, where the error tells the request.

    obstore keeps it for itself, and forgets an upload that it could neither complete nor abort.
    """
    from urllib.parse import unquote

    found = _UPLOAD.search(str(error))
    return unquote(found[1]) if found else None


def missing_library(name: str, error: ModuleNotFoundError) -> TargetFailed:
    """The error for a URL whose library is not installed; it names the extra."""
    return TargetFailed(f"cannot open {name}: {error.name} is not installed; it comes with: {install_hint('cloud')}")


def _reason(text: str) -> str:
    code = _CODE.search(text) or _BOTOCORE.search(text)
    if code is not None:
        known = _REASONS.get(code[1])
        said = _MESSAGE.search(text)
        words = " ".join(said[1].split()) if said else ""
        return f"{known} ({code[1]})" if known else f"{code[1]}: {words.rstrip('.')}" if words else code[1]
    status = _STATUS.search(text)
    if status is not None:
        return f"{_BY_STATUS.get(status[1], 'the store refused it')} (status {status[1]})"
    return _transport(text)


def _transport(text: str) -> str:
    """What is wrong with the connection or the configuration, without obstore's own frame around it."""
    if "token request" in text or "TokenRequest" in text:
        return "no credentials were found; docs/howto/object-stores.md says where they are looked for"
    first = " ".join(text.partition("\n\nDebug source")[0].split())
    if "HTTP error: " in first:
        cause = _cause(text)
        return f"the store cannot be reached ({cause})" if cause else "the connection to the store failed"
    return re.sub(r"^Generic \w+ error: |^The operation lacked valid authentication .*?: \w+: ", "", first)


_CAUSES = (
    ("kind: Timeout", "it did not answer in time"),
    ("IncompleteMessage", "it closed the connection"),
    ("BadScheme", "it is given with http://, and AWS_ALLOW_HTTP is not set"),
)
_SYSTEM = re.compile(r'(?:message|error): "([^"]+)"')


def _cause(text: str) -> str | None:
    """The system's own words in obstore's long form of an error, such as ``Connection refused``."""
    found = _SYSTEM.search(text)
    if found is not None:
        return found[1]
    return next((words for mark, words in _CAUSES if mark in text), None)
