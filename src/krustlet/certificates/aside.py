"""Keep beside what was in force before, with `.old` behind its name: it may be wanted back."""

from pathlib import Path
from typing import Final

import structlog

from krustlet.base import write_atomically
from krustlet.certificates.errors import KubeConfigUnwritable

_OLD: Final = ".old"

log = structlog.get_logger(__name__)


def copy_aside(path: Path) -> None:
    """A copy lies beside `path`, if that is there; for this user alone.

    Raises:
        KubeConfigUnwritable: it cannot be made.
    """
    aside = _beside(path)
    try:
        write_atomically(aside, path.read_bytes(), durable=True)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise KubeConfigUnwritable(aside, exc.strerror or str(exc)) from exc


def put_aside(path: Path) -> None:
    """`path` itself, if it is there, has the other name.

    Raises:
        KubeConfigUnwritable: it cannot be renamed.
    """
    aside = _beside(path)
    try:
        path.replace(aside)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise KubeConfigUnwritable(aside, exc.strerror or str(exc)) from exc
    log.info("join.put_aside", file=str(path), now=str(aside))


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _OLD)
