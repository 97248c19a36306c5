# SPDX-License-Identifier: Apache-2.0
"""Instructions and system calls per operation: steadier than time, so they judge a bound that is close. callgrind counts the
proxy's own instructions, strace its system calls; the kernel's part is in the calls."""

import collections
import glob
import os
import re
import shutil
import signal
import subprocess
import time

import proxies
import scenarios
from processes import BenchError

COUNTED = ["echo-64-100", "echo-64-1000", "sse-10hz", "get", "long-poll", "upgrade-close"]


class _Meter:
    """Stands in for the proxy's process where a scenario reads CPU time: reads something else, and keeps the operations."""

    def __init__(self, process, begin, end):
        self.process = process
        self.begin = begin
        self.end = end
        self.open = False
        self.result = None

    def cpu_ns(self):
        if not self.open:
            self.open = True
            self.begin()
            return 0
        self.open = False
        self.result = self.end()
        return 1000

    def alive(self):
        return self.process.alive()

    def last_words(self):
        return self.process.last_words()


def _measure(proxy, name, seconds, begin, end):
    """(what `end` returned, operations) of the measured part of a scenario."""
    meter = _Meter(proxy.process, begin, end)
    process, proxy.process = proxy.process, meter
    try:
        found = scenarios.SCENARIOS[name].run(proxy, seconds, name)
    finally:
        proxy.process = process
    return meter.result, 1 / found[name]


def _instructions(bench, proxy_name, name):
    stem = str(bench.dir / "callgrind.out")
    for old in glob.glob(stem + "*"):
        os.unlink(old)
    tool = ["valgrind", "-q", "--tool=callgrind", "--compress-strings=no", f"--callgrind-out-file={stem}"]
    proxy = proxies.Proxy(bench, proxy_name, tool)
    pid = proxy.process.popen.pid

    def dump():
        done = subprocess.run(
            ["callgrind_control", "--dump", str(pid)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            raise BenchError(f"callgrind_control: {done.stdout}")

    def total():
        dump()
        newest = max(glob.glob(stem + ".*"), key=lambda path: int(path.rsplit(".", 1)[1]))
        if bench.keep:
            os.makedirs(bench.keep, exist_ok=True)
            shutil.copy(newest, f"{bench.keep}/callgrind.{proxy_name}.{name}")
        with open(newest, encoding="utf-8") as out:
            return int(re.search(r"^(?:totals|summary): (\d+)", out.read(), re.MULTILINE).group(1))

    try:
        counted, operations = _measure(proxy, name, 2, dump, total)
        return counted / operations
    finally:
        proxy.stop()


def _system_calls(bench, proxy_name, name):
    proxy = proxies.Proxy(bench, proxy_name)
    pid = str(proxy.process.popen.pid)
    out = bench.dir / "strace.out"
    tracer = []

    def begin():
        command = ["strace", "-q", "-f", "-c", "-o", str(out), "-p", pid]
        tracer.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        time.sleep(0.5)

    def end():
        tracer[0].send_signal(signal.SIGINT)
        tracer[0].wait(10)
        calls = collections.Counter()
        for line in out.read_text(encoding="utf-8").splitlines():
            match = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if match and match.group(2) != "total":
                calls[match.group(2)] += int(match.group(1))
        return calls

    try:
        calls, operations = _measure(proxy, name, 1, begin, end)
        return {call: count / operations for call, count in calls.most_common() if count / operations >= 0.01}
    finally:
        proxy.stop()


def count(bench, options):
    """{scenario: {proxy: {"instructions": per operation, "calls": {name: per operation}}}}"""
    for tool in ("valgrind", "callgrind_control", "strace"):
        if shutil.which(tool) is None:
            raise BenchError(f"--count needs {tool}")
    bench.patience = 60
    found = {}
    for name in [name for name in options.scenario if name in COUNTED]:
        for proxy_name in options.proxy:
            found.setdefault(name, {})[proxy_name] = {
                "instructions": _instructions(bench, proxy_name, name),
                "calls": _system_calls(bench, proxy_name, name),
            }
    return found


def text(found):
    lines = []
    for name, of in found.items():
        for proxy, counts in of.items():
            calls = ", ".join(f"{call} {number:.2f}" for call, number in counts["calls"].items())
            total = sum(counts["calls"].values())
            lines.append(f"{name:14} {proxy:8} {counts['instructions']:8.0f} instructions, {total:6.2f} calls: {calls}")
    return "\n".join(lines)
