# SPDX-License-Identifier: Apache-2.0
"""What is measured. A scenario drives one proxy once and returns {row: figure}; CPU figures are microseconds of the proxy's
user and system time per operation."""

import re
import statistics
import subprocess
import time

from processes import BenchError
from proxies import Proxy

PAIRS = 9000
SETTLE = 1.0  # seconds until what is under way has come to rest
GIVE_BACK = 60.0  # likewise until what ended is given back: limpet remembers a key for 30 s, and looks for old ones at leisure


class Row:
    """A line of the table. `bound`: of the ratio to the relay, or of the figure itself where `absolute`."""

    def __init__(self, name, title, unit="µs", bound=None, absolute=False):
        self.name = name
        self.title = title
        self.unit = unit
        self.bound = bound
        self.absolute = absolute


ROWS = [
    Row("echo-64-100", "echo 64 B, 100 connections", bound=1.05),
    Row("echo-64-1000", "echo 64 B, 1,000 connections", bound=1.10),
    Row("echo-64-9000", "echo 64 B, 9,000 connections"),
    Row("echo-1k-100", "echo 1 KiB, 100 connections"),
    Row("echo-1k-1000", "echo 1 KiB, 1,000 connections"),
    Row("echo-64k-100", "echo 64 KiB, 100 connections", bound=1.10),
    Row("echo-64k-1000", "echo 64 KiB, 1,000 connections"),
    Row("upgrade-close", "upgrade and close", bound=1.05),
    Row("sse-10hz", "SSE, 1,000 streams at 10 events/s", bound=1.10),
    Row("sse-1hz", "SSE, 1,000 streams at 1 event/s"),
    Row("get", "HTTP GET, keep-alive, 100 connections", bound=1.40),
    Row("long-poll", "long poll of 100 ms, 500 connections", bound=1.40),
    Row("storm-9000", "connect storm of 9,000, per connection"),
    Row("growth-9000", "CPU per echo at 9,000 connections / at 1,000", unit="×", bound=1.15, absolute=True),
    Row("workers-cost", "CPU per echo of two workers / of one", unit="×", bound=1.15, absolute=True),
    Row("workers-spread", "two workers: the busier one's CPU / even share", unit="×", bound=1.15, absolute=True),
    Row("memory-open", "RSS per pair, 9,000 open", unit="B", bound=1024, absolute=True),
    Row("memory-used", "RSS per pair, after a 4 KiB echo on each", unit="B", bound=1024, absolute=True),
    Row("memory-closed", "RSS after all have closed / before", unit="×", bound=1.10, absolute=True),
    Row("drain-9000", "drain of 9,000 over 10 s, per session"),
    Row("drain-spread", "drain: most ends in a second / even share", unit="×"),
    Row("drain-round", "drain, scrapes, lists: longest round within (two CPUs)", unit="ms", bound=10, absolute=True),
]


def cpu_per_operation(proxy, command):
    before = proxy.process.cpu_ns()
    operations = proxy.load.do(command)["operations"]
    if operations == 0:
        raise BenchError(f"nothing done at '{command}'")
    return (proxy.process.cpu_ns() - before) / 1000 / operations


def close(proxy):
    proxy.load.do("close 256")
    time.sleep(0.05)


def echo(size, path):
    def run(proxy, seconds, name):
        connections = int(name.rsplit("-", 1)[1])
        proxy.load.do(f"open ws {path} {connections} 128")
        proxy.load.do(f"each {size} 256")
        figure = cpu_per_operation(proxy, f"echo {size} {seconds}")
        close(proxy)
        return {name: figure}

    return run


def storm(proxy, seconds, _):
    opened = cpu_per_operation(proxy, f"open ws /ws {PAIRS} 256")
    proxy.load.do("each 64 256")
    echoed = cpu_per_operation(proxy, f"echo 64 {max(seconds, 1)}")
    close(proxy)
    return {"storm-9000": opened, "echo-64-9000": echoed}


def upgrade_and_close(proxy, seconds, name):
    proxy.load.do("churn /ws 32 0.1")
    return {name: cpu_per_operation(proxy, f"churn /ws 32 {seconds}")}


def event_streams(hz):
    def run(proxy, seconds, name):
        streams = 1000
        events = max(3, round(hz * seconds * 1.5))
        proxy.load.do(f"open sse /sse/{hz} {streams} 128")
        proxy.load.do(f"events {streams}")
        proxy.load.do(f"quiet {0.2 / hz}")  # so that it begins between two bursts
        figure = cpu_per_operation(proxy, f"events {streams * events}")
        close(proxy)
        return {name: figure}

    return run


def get(proxy, seconds, name):
    proxy.load.do("open http /get 100 100")
    proxy.load.do("get /get 0.1")
    figure = cpu_per_operation(proxy, f"get /get {seconds}")
    close(proxy)
    return {name: figure}


def long_poll(proxy, seconds, name):
    proxy.load.do("open http /poll 500 500")
    figure = cpu_per_operation(proxy, f"get /poll {seconds}")
    close(proxy)
    return {name: figure}


def two_workers(proxy, seconds, _name):
    """1,000 connections to one worker, and to two: each should carry half, and an echo cost as much."""
    pair = Proxy(proxy.bench, proxy.name, workers=2)
    try:
        costs, spreads = [], []
        for of in (proxy, pair):
            of.load.do("open ws /ws 1000 128")
            of.load.do("each 64 256")
        for _ in range(5):
            one = cpu_per_operation(proxy, f"echo 64 {seconds}")
            before = pair.process.thread_cpu_ns()
            two = cpu_per_operation(pair, f"echo 64 {seconds}")
            used = [after - before[task] for task, after in pair.process.thread_cpu_ns().items() if task in before]
            costs.append(two / one)
            spreads.append(max(used) / (sum(sorted(used)[-2:]) / 2))
        return {"workers-cost": statistics.median(costs), "workers-spread": statistics.median(spreads)}
    finally:
        pair.stop()


def memory(proxy, _seconds, _name):
    """On a proxy that has just been started; a few sessions first, so that shared buffers are there."""
    proxy.load.do("open ws /ws 10 10")
    proxy.load.do("each 65536 10")
    close(proxy)
    time.sleep(SETTLE)
    start = proxy.process.rss()
    proxy.load.do(f"open ws /ws {PAIRS} 64")
    time.sleep(SETTLE / 2)
    opened = proxy.process.rss()
    proxy.load.do("each 4096 64")
    time.sleep(SETTLE / 2)
    used = proxy.process.rss()
    proxy.load.do("close 64")
    closed = used
    until = time.monotonic() + GIVE_BACK
    while time.monotonic() < until and closed > start * 1.05:
        time.sleep(SETTLE)
        closed = min(closed, proxy.process.rss())
    return {
        "memory-open": (opened - start) / PAIRS,
        "memory-used": (used - start) / PAIRS,
        "memory-closed": closed / start,
    }


def _ask(proxy, path):
    """Of the admin API."""
    return subprocess.run(
        ["curl", "-sf", "--unix-socket", f"{proxy.values['DIR']}/limpet.sock", f"http://limpet{path}"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def _rounds(proxy):
    """How many rounds of the worker's loop were within each bound so far."""
    found = re.findall(r'^limpet_loop_lag_seconds_bucket\{.*le="([^"]+)"\} (\d+)', _ask(proxy, "/metrics"), re.MULTILINE)
    return {float(bound): int(count) for bound, count in found}


def _longest_round(before, after):
    """The bound in milliseconds that no round since `before` was beyond. Wall time: no less than the thread's CPU time."""
    grown = {bound: after[bound] - before[bound] for bound in after}
    return 1000 * min(bound for bound, count in grown.items() if count == max(grown.values()))


def drain(proxy, _seconds, _name):
    """Both backends at once; only limpet knows what that is. Meanwhile it is scraped, and its sessions are listed."""
    proxy.load.do(f"open ws /ws {PAIRS} 128")
    time.sleep(SETTLE)
    before = proxy.process.cpu_ns()
    rounds = _rounds(proxy)
    proxy.load.say("watch 20")
    order = [proxy.bench.limpet, "drain", "home/one", "home/two", "--over", "10s", "--force", "--no-wait"]
    subprocess.run(
        [*order, "--admin", f"unix:{proxy.values['DIR']}/limpet.sock"], stdout=subprocess.DEVNULL, check=True
    )
    longest = {}
    if proxy.bench.two_cpus:  # with one, the round's time is others' time, too
        for _ in range(8):
            time.sleep(1)
            _ask(proxy, "/v1/sessions")
        longest = {"drain-round": _longest_round(rounds, _rounds(proxy))}
    seen = proxy.load.hear("watch 20")
    if seen["open"] > 0 or seen["restarts"] < PAIRS * 0.99:
        raise BenchError(f"the drain did not end all sessions by a Close 1012: {seen}")
    per_second = [sum(seen["ends"][i : i + 10]) for i in range(0, len(seen["ends"]), 10)]
    return {
        "drain-9000": (proxy.process.cpu_ns() - before) / 1000 / PAIRS,
        "drain-spread": max(per_second) / (PAIRS / 10),
        **longest,
    }


class Scenario:
    """`fresh`: on processes of its own, once per run; otherwise once per round on those that run all the time."""

    def __init__(self, run, fresh=False, only=None):
        self.run = run
        self.fresh = fresh
        self.only = only  # names of proxies, or None


SCENARIOS = {
    "echo-64-100": Scenario(echo(64, "/ws")),
    "echo-64-1000": Scenario(echo(64, "/ws")),
    "echo-1k-100": Scenario(echo(1024, "/ws/kib")),
    "echo-1k-1000": Scenario(echo(1024, "/ws/kib")),
    "echo-64k-100": Scenario(echo(65536, "/ws/bulk")),
    "echo-64k-1000": Scenario(echo(65536, "/ws/bulk")),
    "upgrade-close": Scenario(upgrade_and_close),
    "sse-10hz": Scenario(event_streams(10)),
    "sse-1hz": Scenario(event_streams(1)),
    "get": Scenario(get),
    "long-poll": Scenario(long_poll),
    "storm-9000": Scenario(storm),
    "workers": Scenario(two_workers, fresh=True, only=["limpet", "limpet-uring"]),
    "memory": Scenario(memory, fresh=True),
    "drain-9000": Scenario(drain, fresh=True, only=["limpet"]),
}

QUICK = ["echo-64-100", "echo-64-1000", "sse-10hz", "get", "upgrade-close", "memory"]
GATE = [*QUICK, "echo-64k-100", "long-poll", "storm-9000", "workers"]
