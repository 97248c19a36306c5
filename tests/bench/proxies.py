# SPDX-License-Identifier: Apache-2.0
"""The proxies that are compared: how each is configured, started and named. Each reaches the one backend under two
addresses of its own, so that their ports do not run short together."""

import os
import pathlib
import pwd
import shutil
import subprocess

from processes import BenchError, Load, Process, free_port, wait_for_answer

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ["relay", "limpet", "limpet-uring", "nginx", "haproxy"]


class Proxy:
    """A running proxy (under `tool`, a command, if that is given) with a backend and a load generator of its own."""

    def __init__(self, bench, name, tool=(), workers=1):
        self.name = name
        self.bench = bench
        self.port = free_port()
        index = NAMES.index(name)
        backend_port = free_port()
        first, second = (f"127.0.1.{10 * index + i}" for i in (1, 2))
        self.values = {
            "DIR": bench.dir,
            "NAME": name if workers == 1 else f"{name}-{workers}",
            "WORKERS": workers,
            "IO": "uring" if name == "limpet-uring" else "epoll",
            "PORT": self.port,
            "BACKEND_ONE": f"{first}:{backend_port}",
            "BACKEND_TWO": f"{second}:{backend_port}",
            # A master that runs as root would give its worker away to "nobody", who may not write below the directory.
            "USER": f"user {pwd.getpwuid(0).pw_name} root;" if os.geteuid() == 0 else "",
        }
        self.started = []
        self.start("backend", [bench.program("bench_backend"), str(backend_port)], bench.peer_cpus)
        limpet = lambda: [bench.limpet, "run", "-c", self.configuration("limpet.toml")]  # noqa: E731
        commands = {
            "relay": lambda: [bench.program("bench_relay"), str(self.port), first, str(backend_port)],
            "limpet": limpet,
            "limpet-uring": limpet,
            "nginx": lambda: [find("nginx"), "-c", self.configuration("nginx.conf"), "-p", str(bench.dir)],
            "haproxy": lambda: [find("haproxy"), "-db", "-f", self.configuration("haproxy.cfg")],
        }
        self.process = self.start(name, [*tool, *commands[name]()], bench.proxy_cpus)
        wait_for_answer(self.process, self.port, bench.patience)
        self.load = Load(bench.program("bench_load"), self.port, bench.peer_cpus, bench.log("load"))
        self.started.append(self.load)

    def start(self, name, command, cpus):
        process = Process(command, cpus, self.bench.log(name))
        self.started.append(process)
        return process

    def configuration(self, name):
        text = (HERE / f"{name}.in").read_text(encoding="utf-8")
        for key, value in self.values.items():
            text = text.replace(f"@{key}@", str(value))
        target = self.bench.dir / f"{self.values['NAME']}-{name}"
        target.write_text(text, encoding="utf-8")
        return str(target)

    def stop(self):
        for process in reversed(self.started):
            process.stop()


def find(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise BenchError(f"{program} is not installed: scripts/install-packages.sh bench")
    return path


def _first_line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else "?"


def version(bench, name):
    if name == "relay":
        return "tests/bench/relay.cpp: epoll, parses nothing"
    if name == "limpet-uring":
        return 'the same, with io = "uring"'
    if name == "limpet":
        done = subprocess.run([bench.limpet, "version"], stdout=subprocess.PIPE, text=True, check=True)
        return ", ".join(done.stdout.splitlines()[:3])
    return _first_line([find(name), "-v"])
