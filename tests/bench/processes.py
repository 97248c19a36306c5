# SPDX-License-Identifier: Apache-2.0
"""Processes of the benchmark: started on given CPUs, stopped for sure, and what the kernel says that they used."""

import atexit
import json
import os
import resource
import signal
import socket
import subprocess
import time

MOST_DESCRIPTORS = 20000

_running = []


class BenchError(Exception):
    """What keeps the benchmark from going on, for the user."""


def free_port():
    """A port that is free on all of loopback now."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


def _raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Process:
    """A program on the CPUs `cpus`; its output goes to `log`, unless it is spoken to."""

    def __init__(self, command, cpus, log, spoken_to=False):
        def prepare():
            os.sched_setaffinity(0, cpus)
            _raise_descriptor_limit()

        self.name = os.path.basename(command[0])
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if spoken_to else subprocess.DEVNULL,
                stdout=subprocess.PIPE if spoken_to else out,
                stderr=out,
                text=True,
                start_new_session=True,
                preexec_fn=prepare,
            )
        _running.append(self)

    def alive(self):
        return self.popen.poll() is None

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-5:]).strip()

    def pids(self):
        """Its own and those of its descendants."""
        found = [self.popen.pid]
        for pid in found:
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                        found.extend(int(child) for child in children.read().split())
            except OSError:
                pass
        return found

    def thread_cpu_ns(self):
        """{thread: its user and system time in nanoseconds}, by the first field of schedstat."""
        found = {}
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stat:
                    found[task] = int(stat.read().split()[0])
        return found

    def cpu_ns(self):
        return sum(self.thread_cpu_ns().values())

    def rss(self):
        """Resident bytes of all its processes, as the page tables have them."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                total += next(int(line.split()[1]) for line in rollup if line.startswith("Rss:")) * 1024
        return total

    def stop(self):
        if self.alive():
            # limpet drains at the first SIGTERM and stops at the second.
            for sig, patience in ((signal.SIGTERM, 0.5), (signal.SIGTERM, 2), (signal.SIGKILL, 5)):
                for pid in self.pids()[::-1] if sig == signal.SIGKILL else [self.popen.pid]:
                    try:
                        os.kill(pid, sig)
                    except ProcessLookupError:
                        pass
                try:
                    self.popen.wait(patience)
                    break
                except subprocess.TimeoutExpired:
                    continue
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()
        if self in _running:
            _running.remove(self)


class Load(Process):
    """The load generator: a command is a line, its answer a dictionary."""

    def __init__(self, program, port, cpus, log):
        super().__init__([program, "127.0.0.1", str(port)], cpus, log, spoken_to=True)
        self.failures = 0

    def do(self, command):
        self.say(command)
        return self.hear(command)

    def say(self, command):
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()

    def hear(self, command):
        line = self.popen.stdout.readline()
        if not line:
            raise BenchError(f"the load generator ended at '{command}': {self.last_words()}")
        answer = json.loads(line)
        if answer["failures"] > self.failures:
            raise BenchError(f"{answer['failures'] - self.failures} operations failed at '{command}': {answer}")
        return answer


def wait_for_answer(process, port, patience=10):
    """Until the proxy passes a GET on."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if not process.alive():
            raise BenchError(f"{process.name} does not start: {process.last_words()}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                probe.sendall(b"GET /get HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n")
                if probe.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise BenchError(f"{process.name} does not answer on port {port}: {process.last_words()}")


@atexit.register
def stop_all():
    for process in list(_running):
        process.stop()
