#!/usr/bin/env python3
"""Where the processor time of a scan of a capture file goes, by stage.

usage: stages.py PERF_DATA

    bench_replay --keep FOLDER --benchmark_filter=Replay
    perf record --call-graph dwarf,4096 -F 2000 -e cpu-clock -o PERF_DATA \\
        skimwatch-agent scan --format json --no-progress FOLDER/mixed-0-268435456.pcap >/dev/null
    stages.py PERF_DATA

(mixed-0 is the capture `mixed`, mixed-1 `none`, mixed-2 `gzip`.) A sample counts for the first stage
that a frame of its stack belongs to, from the inside; so a library's call of malloc is the
library's.
"""

import collections
import re
import subprocess
import sys

STAGES = [
    ("card scanner", r"skimwatch::card::"),
    ("inflating (ISA-L)", r"libisal"),
    ("brotli", r"libbrotli"),
    ("HTTP/1 heads that are not plain (libhtp)", r"libhtp"),
    ("HPACK (nghttp2)", r"libnghttp2"),
    ("parts to the scanner, findings", r"PartScan|CaptureScanner|skimwatch::offline::Findings"),
    ("content codings, limits, wiping", r"HttpBody|HttpPayload|InflateDecoder|BrotliDecoder"),
    ("HTTP/2 frames and messages", r"Http2"),
    ("HTTP/1 heads and bodies", r"HttpStream|HttpRequest|HttpResponse|HttpParser"),
    ("flows, reassembly", r"FlowStreams|FlowContext|StreamReassembler|traffic::Flow::"),
    ("packets, table of flows", r"TrafficDecoder|DecodePacket|Datagram|DnsNames"),
    ("reading the file", r"libpcap|PcapFile"),
    ("start of the program", r"main|_dl_|YAML|ld-linux|_start"),
]


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip())
        return 0 if sys.argv[1:] in (["--help"], ["-h"]) else 2
    stages = [(name, re.compile(pattern)) for name, pattern in STAGES]
    counts: collections.Counter[str] = collections.Counter()

    def count(stack: list[str]) -> None:
        for frame in stack:
            for name, pattern in stages:
                if pattern.search(frame):
                    counts[name] += 1
                    return
        if stack:
            counts["other"] += 1

    script = subprocess.run(
        ["perf", "script", "-i", sys.argv[1], "--no-inline", "-F", "ip,sym,dso"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    stack: list[str] = []
    for line in script.stdout.splitlines():
        if line:
            stack.append(line)
        else:
            count(stack)
            stack = []
    count(stack)
    total = sum(counts.values())
    if total == 0:
        print(f"stages.py: no samples in {sys.argv[1]}", file=sys.stderr)
        return 1
    for name, samples in counts.most_common():
        print(f"{100 * samples / total:5.1f} %  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
