"""Signs a request on stdin for a day, with the usages it is told; run as a program of its own."""

import sys
import time

from tests.unit.certificates.fakes import signed

if __name__ == "__main__":
    now = time.time()
    pem = signed(
        sys.stdin.buffer.read(), usages=sys.argv[1:], not_before=now - 300, not_after=now + 86400
    )
    sys.stdout.buffer.write(pem)
