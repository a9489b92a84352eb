"""`python -m bench [NAME ...]`: run the benchmarks, all of them unless some are named.

`python -m bench gateway` is one of its own, with options and with peers to install: it runs when it is named.
"""

from __future__ import annotations

import os
import platform
import sys

from bench import constrained, fibers, idle_conversations, prefix_reuse, server_overhead, sessions, startup

BENCHMARKS = {
    "startup": startup.main,
    "server_overhead": server_overhead.main,
    "prefix_reuse": prefix_reuse.main,
    "idle_conversations": idle_conversations.main,
    "constrained": constrained.main,
    "fibers": fibers.main,
    "sessions": sessions.main,
}


def main() -> int:
    if sys.argv[1:2] == ["gateway"]:
        from bench.gateway.run import main as gateway  # starts slower than the others, and needs none of them

        return gateway(sys.argv[2:])
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(
            f"no benchmark is named {', '.join(unknown)}; there are: {', '.join([*BENCHMARKS, 'gateway'])}",
            file=sys.stderr,
        )
        return 2
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load}")
    for name in names:
        print(f"\n## {name}")
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
