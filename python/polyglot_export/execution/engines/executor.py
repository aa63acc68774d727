"""The engine of other processes and machines: any pool of ``concurrent.futures``."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import ClassVar

from polyglot_export.errors import ConnectionLost, PolyglotError, SpecError
from polyglot_export.limits import default_workers

__all__ = ["ExecutorEngine"]


class ExecutorEngine:
    """Runs the parts of a dump as tasks of a pool. A task is one function of the package with a text, and gives a text.

    Args:
        executor: The pool. Its workers need this package in the same version, the database, and the place of the dump.
        send_dsn: Send the connection string of the dump with every task, password and all. Without, a worker reads its
            own environment: ``DATABASE_URL``, or else libpq's variables and files.
        slots: Tasks that the pool runs at a time; ``None`` asks the pool, where it says so.

    Raises:
        SpecError: One of them is no such thing.
    """

    name: ClassVar[str] = "executor"
    final_errors: ClassVar[tuple[type[BaseException], ...]] = (ImportError, AttributeError, TypeError)
    """What the pool raises instead of a result and would raise again: the function cannot be called there."""

    def __init__(self, executor: Executor, *, send_dsn: bool = False, slots: int | None = None) -> None:
        if not isinstance(executor, Executor):
            raise SpecError("engine", f"needs a concurrent.futures.Executor (got a {type(executor).__name__})")
        if slots is not None and slots < 1:
            raise SpecError("engine", f"slots must be at least 1 (got {slots})")
        self._executor = executor
        self._slots = slots
        self.send_dsn = send_dsn

    @property
    def title(self) -> str:
        """What runs the tasks, for messages."""
        return f"the {type(self._executor).__name__}"

    def slots(self) -> int:
        """Tasks that run at a time."""
        known = getattr(self._executor, "_max_workers", None)
        return self._slots or (known if isinstance(known, int) else default_workers())

    def submit(self, function: Callable[[str], str], text: str) -> Future[str]:
        """Begin a task.

        Raises:
            ConnectionLost: The pool is gone.
        """
        try:
            return self._executor.submit(function, text)
        except (RuntimeError, OSError) as error:
            raise self.failure(error) from None

    def check(self) -> None:
        """See that the pool can still end what it runs; called now and then while tasks are waited for.

        Raises:
            ConnectionLost: It cannot.
        """

    def may_retry(self, error: BaseException, /) -> bool:
        """Whether a task that ended so, without a result, may be begun once more."""
        return not isinstance(error, (BrokenExecutor, CancelledError, *self.final_errors))

    def failure(self, error: BaseException) -> PolyglotError:
        """What it means that a task has no result, as our error."""
        text = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, (BrokenExecutor, CancelledError, RuntimeError, OSError)):
            return ConnectionLost(f"{self.title} ended before the dump was complete: {text}")
        return PolyglotError(f"a worker of {self.title} cannot write parts of a dump: {type(error).__name__}: {text}")
