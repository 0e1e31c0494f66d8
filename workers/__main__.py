"""``python -m workers [--tethered] REALM…``: one matcher for these realms, on the server of MATCHMAKER_REDIS_URL.

For programs that start matchers of their own, as the demo does; a person types ``matchmaker worker``. Ends on SIGTERM
and SIGINT; a tethered one also when its standard input ends: whoever held the other end is gone, however that came.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from matchmaker.model import checked_text
from matchmaker.settings import Settings
from workers.matcher import run


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers", description="One matcher for the realms named.")
    parser.add_argument("--tethered", action="store_true", help="end when standard input does")
    parser.add_argument("realms", nargs="+", metavar="REALM")
    asked = parser.parse_args()
    settings = Settings.load()
    url = settings.redis_url
    if url is None:
        parser.error("MATCHMAKER_REDIS_URL is not set")
    realms = [checked_text("realm", realm) for realm in asked.realms]
    if asked.tethered:
        threading.Thread(target=_end_with_input, daemon=True).start()
    run(url.get_secret_value(), realms, rq_url=settings.jobs_url(url.get_secret_value()))


if __name__ == "__main__":
    main()
