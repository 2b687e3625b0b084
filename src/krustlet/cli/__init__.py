"""The command line: `krustlet`. One module a command, imported when it is called."""

try:
    from krustlet.cli.interrupts import leaving_at_once
except KeyboardInterrupt:  # not covered by what is being imported here
    raise SystemExit(130) from None

with leaving_at_once():
    from krustlet.cli.main import main, wasi

__all__ = ["main", "wasi"]
