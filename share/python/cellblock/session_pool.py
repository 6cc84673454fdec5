"""Pools by llm-sandbox's names: they bound how many sandboxes are in use, and have the daemon keep some ready."""
from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum
from typing import Any, Dict, List, Optional, Sequence

from .session_types import LanguageNotSupportedError, PoolClosedError, PoolExhaustedError
from .sessions import SandboxSession

MOST_READY = 256  # of a policy's pool.min and pool.max


class ExhaustionStrategy(str, Enum):
    """What a session does while all sandboxes are in use: fails, waits, or gets one beyond the bound."""

    FAIL_FAST = "fail_fast"
    WAIT = "wait"
    TEMPORARY = "temporary"


@dataclass
class PoolConfig:
    """`max_pool_size` sandboxes may be in use; `min_pool_size` are kept ready (a policy's `pool.min`); `acquisition_timeout`: seconds
    that WAIT waits, None: for ever. A sandbox is one session's and then gone, so those for a container's age and health
    have no work to do here.
    """

    max_pool_size: int = 10
    min_pool_size: int = 0
    idle_timeout: Optional[float] = 300.0
    acquisition_timeout: Optional[float] = 30.0
    health_check_interval: float = 60.0
    max_container_lifetime: Optional[float] = 3600.0
    max_container_uses: Optional[int] = None
    exhaustion_strategy: ExhaustionStrategy = ExhaustionStrategy.WAIT
    enable_prewarming: bool = True

    def __post_init__(self) -> None:
        self.exhaustion_strategy = ExhaustionStrategy(self.exhaustion_strategy)
        if self.max_pool_size < 1 or not 0 <= self.min_pool_size <= self.max_pool_size:
            raise ValueError("a pool needs max_pool_size of at least 1, and min_pool_size from 0 to max_pool_size")


class PoolManager:
    """Made by create_pool_manager(); sessions take it as `pool`. Its methods may be called from any thread."""

    def __init__(self, config: PoolConfig, libraries: Sequence[str], session: Dict[str, Any]) -> None:
        self.config = config
        self._libraries = list(libraries)
        self._session = session
        self._change = threading.Condition()
        self._in_use: Dict[int, SandboxSession] = {}
        self._closed = False

    def acquire(self) -> SandboxSession:
        """An open session with the pool's own arguments; give it back by release()."""
        session = SandboxSession(pool=self, **self._session)
        session.open()
        return session

    def release(self, session: SandboxSession) -> None:
        session.close()

    def get_stats(self) -> Dict[str, Any]:
        """How many may be in use, and are."""
        with self._change:
            return {"max_size": self.config.max_pool_size, "min_size": self.config.min_pool_size, "in_use": len(self._in_use),
                    "closed": self._closed}

    def close(self) -> None:
        """Closes the sessions that are open, and lets no more begin."""
        with self._change:
            self._closed = True
            sessions = list(self._in_use.values())
            self._change.notify_all()
        for session in sessions:
            session.close()

    def __enter__(self) -> "PoolManager":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # --- for sessions

    def spares(self) -> Dict[str, int]:
        """A policy's `pool`."""
        ready = min(self.config.min_pool_size if self.config.enable_prewarming else 0, MOST_READY)
        return {"min": ready, "max": min(max(self.config.max_pool_size, ready), MOST_READY)}

    def enter(self, session: SandboxSession) -> List[str]:
        """Counts it, and gives the libraries that each session has. Raises PoolExhaustedError or PoolClosedError."""
        strategy = self.config.exhaustion_strategy
        with self._change:
            if strategy is ExhaustionStrategy.WAIT:
                self._change.wait_for(self._has_room, self.config.acquisition_timeout)
            if self._closed:
                raise PoolClosedError("the pool is closed")
            if not self._has_room() and strategy is not ExhaustionStrategy.TEMPORARY:
                raise PoolExhaustedError("all %d sandboxes of the pool are in use" % self.config.max_pool_size)
            self._in_use[id(session)] = session
        return self._libraries

    def leave(self, session: SandboxSession) -> None:
        with self._change:
            self._in_use.pop(id(session), None)
            self._change.notify()

    def _has_room(self) -> bool:
        return self._closed or len(self._in_use) < self.config.max_pool_size


def create_pool_manager(client: Any = None, backend: Any = None, config: Optional[PoolConfig] = None, lang: Any = "python",
                        libraries: Optional[Sequence[str]] = None, **session: Any) -> PoolManager:
    """A pool for `SandboxSession(pool=…)`. `session`: what acquire() gives its sessions. `client` and `backend` have no effect.

        >>> from cellblock import PoolConfig, SandboxSession, create_pool_manager
        >>> with create_pool_manager(config=PoolConfig(max_pool_size=2)) as pool:
        ...     with SandboxSession(pool=pool) as one, SandboxSession(pool=pool) as other:
        ...         print(one.run("print(1)").stdout + other.run("print(2)").stdout, pool.get_stats()["in_use"])
        1
        2
         2
    """
    if str(getattr(lang, "value", lang)).lower() != "python":
        raise LanguageNotSupportedError(str(lang))
    return PoolManager(config or PoolConfig(), libraries or [], session)


def PooledSandboxSession(pool_manager: PoolManager, **arguments: Any) -> SandboxSession:
    """SandboxSession(pool=pool_manager, …).

        >>> import cellblock
        >>> with cellblock.create_pool_manager() as pool, cellblock.PooledSandboxSession(pool) as session:
        ...     session.run("print('pooled')").stdout
        'pooled\\n'
    """
    return SandboxSession(pool=pool_manager, **arguments)
