#!/usr/bin/env python3
"""Counts the scanner's false alarms in the clean corpus, and lists each for review.

One command does all: it gathers the corpus (gather-web-files.sh), builds skimwatch-agent, scans
the corpus with the product's defaults, and prints false alarms per GiB by confidence, by form and
by evidence. Published test numbers in the corpus are right to be found; they are counted apart.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
GIB = 1 << 30
LEVELS = ("high", "medium", "low")
# False alarms per GiB that must not be reached.
TARGETS = {"high": 1, "medium": 20}
BYTES_AROUND = 100


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exits 0 when there are fewer than 1 high and 20 medium false alarms per GiB, 1 when"
        " there are more, 2 when it could not measure.",
    )
    parser.add_argument("--corpus", type=pathlib.Path, metavar="DIR",
                        help="folder to scan (default: build/corpus/clean, gathered when missing)")
    parser.add_argument("--agent", type=pathlib.Path, metavar="FILE",
                        help="skimwatch-agent to scan with (default: built in build/release)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE",
                        help="write the counts there too, for recall_table"
                        " (default: build/precision.json,"
                        " with --unnamed build/precision-unnamed.json)")
    parser.add_argument("--list", choices=LEVELS, default="medium",
                        help="least confidence of the false alarms that are listed one by one"
                        " (default: medium)")
    parser.add_argument("--unnamed", action="store_true",
                        help="scan the files without their names, so that nothing says which are"
                        " scripts, fonts or images")
    parser.add_argument("--decode-depth", type=int, metavar="N",
                        help="as of `skimwatch-agent scan` (default: its default)")
    return parser.parse_args()


def fail(message):
    print(f"precision.py: {message}", file=sys.stderr)
    sys.exit(2)


def run(command):
    try:
        subprocess.run([str(part) for part in command], cwd=SOURCE, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(error)


def gathered_corpus():
    run(["tests/data/gather-web-files.sh"])
    return SOURCE / "build/corpus/clean"


def built_agent():
    build = SOURCE / "build/release"
    if not (build / "build.ninja").exists():
        run(["cmake", "--preset", "release"])
    run(["ninja", "-C", build, "--quiet", "skimwatch-agent"])
    return build / "bin/skimwatch-agent"


@contextlib.contextmanager
def without_names(corpus):
    """A folder of the files of `corpus` under numbers, and the path of each by its number."""
    with tempfile.TemporaryDirectory(dir=corpus.parent) as folder:
        paths = []
        for path in sorted(path for path in corpus.rglob("*") if path.is_file()):
            group = pathlib.Path(folder) / str(len(paths) // 1000)
            group.mkdir(exist_ok=True)
            # A link takes no room on the disk.
            os.link(path, group / str(len(paths)))
            paths.append(path)
        yield pathlib.Path(folder), paths


def scan_corpus(agent, corpus, options, unnamed):
    if not unnamed:
        return scan(agent, corpus, options)
    with without_names(corpus) as (folder, paths):
        findings, statistics = scan(agent, folder, options)
    for finding in findings:
        finding["path"] = str(paths[int(pathlib.Path(finding["path"]).name)])
    return findings, statistics


def scan(agent, corpus, options):
    """The findings and the statistics of one scan of `corpus`."""
    with tempfile.TemporaryFile() as findings_file, tempfile.TemporaryFile() as statistics_file:
        command = [agent, "scan", "--format", "json", "--stats", "--no-progress", *options, corpus]
        status = subprocess.run([str(part) for part in command], stdout=findings_file,
                                stderr=statistics_file, check=False).returncode
        statistics_file.seek(0)
        messages = statistics_file.read().decode(errors="replace").splitlines()
        if status not in (0, 1):
            fail("the scan failed:\n  " + "\n  ".join(messages[-5:]))
        findings_file.seek(0)
        findings = [json.loads(line) for line in findings_file]
    for line in reversed(messages):
        if line.startswith('{"stats"'):
            return findings, json.loads(line)["stats"]
    fail("the scan printed no statistics")
    return None


def shape_around(finding, corpus):
    """The bytes around a finding without a digit that could be a number's.

    Every digit is shown as 0; within the finding every letter as x, since letters may be encoded
    digits.
    """
    if finding.get("container"):
        return f"(in {'/'.join(finding['container'])})"
    offset, length = finding["offset"], finding["length"]
    begin = max(offset - BYTES_AROUND, 0)
    with open(corpus / finding["path"], "rb") as file:
        file.seek(begin)
        around = file.read(offset - begin + length + BYTES_AROUND)

    def digits_hidden(part):
        return re.sub(r"[0-9]", "0", part)

    def printable(part):
        return "".join(c if " " <= c <= "~" else "." for c in part.decode("latin-1"))

    before = digits_hidden(printable(around[: offset - begin]))
    within = digits_hidden(printable(around[offset - begin : offset - begin + length]))
    after = digits_hidden(printable(around[offset - begin + length :]))
    if finding["encoding"]:
        # The neighbours may be part of the same encoded text.
        before, within, after = (re.sub(r"[A-Za-z0]", "x", part) for part in (before, within, after))
    return f"{before}«{within}»{after}"


def chain_of(finding):
    return " > ".join(finding["encoding"]) or "plain"


def print_table(title, counts, gib):
    print(f"\n{title}, per GiB")
    rows = sorted(counts.items(), key=lambda row: [-row[1][level] for level in LEVELS] + [row[0]])
    width = max([len(name) for name, _ in rows] + [4])
    print(f"  {'':{width}}" + "".join(f"{level:>10}" for level in LEVELS))
    for name, row in rows:
        print(f"  {name:{width}}" + "".join(f"{row[level] / gib:10.2f}" for level in LEVELS))


def main():
    arguments = parse_arguments()
    corpus = (arguments.corpus or gathered_corpus()).resolve()
    agent = (arguments.agent or built_agent()).resolve()
    name = "precision-unnamed.json" if arguments.unnamed else "precision.json"
    output = arguments.json or SOURCE / "build" / name
    options = []
    if arguments.decode_depth is not None:
        options += ["--decode-depth", arguments.decode_depth]
    findings, statistics = scan_corpus(agent, corpus, options, arguments.unnamed)
    gib = statistics["bytes_scanned"] / GIB
    if gib == 0:
        fail(f"{corpus}: nothing was scanned")

    test_cards = [finding for finding in findings if finding["test_card"]]
    alarms = [finding for finding in findings if not finding["test_card"]]
    totals = collections.Counter(finding["confidence"] for finding in alarms)
    by_chain = collections.defaultdict(collections.Counter)
    by_evidence = collections.defaultdict(collections.Counter)
    for finding in alarms:
        by_chain[chain_of(finding)][finding["confidence"]] += 1
        for name in finding["evidence"]:
            by_evidence[re.sub(r"field_name:.*", "field_name", name)][finding["confidence"]] += 1
        if not finding["evidence"]:
            by_evidence["(none)"][finding["confidence"]] += 1

    listed = LEVELS[: LEVELS.index(arguments.list) + 1]
    for finding in sorted(alarms, key=lambda f: (LEVELS.index(f["confidence"]), f["path"])):
        if finding["confidence"] not in listed:
            continue
        print(f"{finding['confidence']} {finding['score']} {finding['brand']} {finding['masked']} "
              f"{chain_of(finding)} [{', '.join(finding['evidence'])}]")
        print(f"  {os.path.relpath(finding['path'], corpus)}:{finding['offset']}")
        print(f"  {shape_around(finding, corpus)}")

    print_table("By form", by_chain, gib)
    print_table("By evidence", by_evidence, gib)
    print(f"\nPublished test numbers, right to be found: {len(test_cards)}")
    for place, count in collections.Counter(
            os.path.relpath(f["path"], corpus) for f in test_cards).most_common(20):
        print(f"  {count:5} {place}")

    print(f"\nFalse alarms in {gib:.2f} GiB of {statistics['files']} files:")
    missed = False
    for level in LEVELS:
        rate = totals[level] / gib
        target = TARGETS.get(level)
        verdict = ""
        if target is not None:
            missed = missed or rate >= target
            verdict = f" (fewer than {target} wanted: {'missed' if rate >= target else 'met'})"
        print(f"  {level:6} {totals[level]:7} {rate:9.2f} per GiB{verdict}")

    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({
        "bytes": statistics["bytes_scanned"],
        "files": statistics["files"],
        "false_alarms": {level: totals[level] for level in LEVELS},
        "by_form": {chain: {level: row[level] for level in LEVELS}
                    for chain, row in sorted(by_chain.items())},
        "by_evidence": {name: {level: row[level] for level in LEVELS}
                        for name, row in sorted(by_evidence.items())},
        "test_cards": len(test_cards),
    }, indent=2) + "\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
