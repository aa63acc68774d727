"""Check a set of files from Python."""

from __future__ import annotations

from os import PathLike, fspath

from polyglot_export.cancel import CancelToken
from polyglot_export.manifest.against import Against
from polyglot_export.manifest.report import OnVerifyProgress, VerifyReport
from polyglot_export.manifest.verify import verify_set

__all__ = ["verify"]


def verify(
    destination: str | PathLike[str],
    dsn: str | None = None,
    *,
    workers: int | None = None,
    on_progress: OnVerifyProgress | None = None,
    token: CancelToken | None = None,
) -> VerifyReport:
    """Check that a set of files is what its manifest says: every file is read anew to its end.

    Bytes, SHA-256 and rows of each file are compared, and missing and extra files found. What is wrong is told in the
    report, it raises nothing.

    With ``dsn`` the rows of each relation are compared with the database too: in the snapshot of the export while
    somebody holds it, else by counting, and by the fingerprints of segments where the manifest has them. Rows that
    changed since are told apart from rows that were exported wrongly; what cannot be told is in ``unchecked``.

    Args:
        destination: The folder or URL of the set, which has a ``manifest.json`` in it, or a manifest of another name.
        dsn: The database that the files are of, as URI or key=value string; ``None`` asks no database.
        workers: Files that are read at a time. ``None``: one for each CPU, at most ``limits.DEFAULT_WORKERS_LIMIT``.
        on_progress: Called about ten times a second in the thread of the caller.
        token: Cancelling it ends the check.

    Raises:
        SpecError: There is no such place, or an argument is wrong.
        ManifestError: There is no manifest, or it cannot be read.
        TargetFailed: The place does not answer.
        ConnectionFailed: The database cannot be reached or refused the login.
        Cancelled: By the token.
    """
    compare = Against(dsn, token) if dsn is not None else None
    return verify_set(fspath(destination), workers=workers, compare=compare, on_progress=on_progress, token=token)
