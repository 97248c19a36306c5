# SPDX-License-Identifier: Apache-2.0
"""Peers that do not read, descriptors and memory that run out. Judged from outside: the resident size in /proc, what a backend could get
rid of, what open sessions notice, and whether everything is served again afterwards."""
import os
import select
import threading
import time
import unittest

from fixture import UPGRADED, BadInputTest, answer, frame, open_websocket, read_head, read_response, serve_echo, until

MEBI = 1 << 20
# How much the proxy may grow. A sanitizer's shadow and quarantine multiply what the proxy itself holds.
MOST_GROWTH = (96 if os.environ.get("LIMPET_SANITIZE") else 12) * MEBI
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


class Flood:
    """A backend's endless response (or WebSocket), and how much of it could be written."""

    def __init__(self):
        self.written, self.lock = {}, threading.Lock()

    def serve(self, connection, head):
        if "/quick" in head.split("\r\n")[0]:
            connection.sendall(answer(b"quick"))
            return None
        if "upgrade: websocket" in head.lower():
            connection.sendall(UPGRADED)
            piece = frame(2, b"x" * 65000)
        else:
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 40}\r\n\r\n".encode())
            piece = b"x" * 65536
        try:
            while True:
                sent = connection.send(piece)
                with self.lock:
                    self.written[connection] = self.written.get(connection, 0) + sent
        except OSError:
            pass
        return "close"

    def total(self):
        with self.lock:
            return sum(self.written.values())

    def settle(self):
        """Waits until nothing more is taken, and answers the sum."""
        last, since = -1, time.monotonic()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            now = self.total()
            if now != last:
                last, since = now, time.monotonic()
            elif now > 0 and time.monotonic() - since > 0.7:
                return now
            time.sleep(0.05)
        raise AssertionError("the backend is still being read")


class SlowReaders(BadInputTest):
    READERS = 20

    def open_readers(self, proxy, websocket):
        socks = []
        for i in range(self.READERS):
            if websocket:
                sock, _ = open_websocket(proxy, f"/?user={i}", receive_buffer=4096)
            else:
                sock = proxy.connect(receive_buffer=4096)
                sock.sendall(GET)
            socks.append(sock)
        return socks

    def play(self, websocket):
        flood = Flood()
        proxy = self.limpet([self.backend(flood.serve)], route='[route.http]\nstall_timeout = "4s"\nhigh_water = "64KiB"',
                            proxy='crash_spread = "100ms"')
        proxy.ask(b"GET /quick HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        before = proxy.rss()
        socks = self.open_readers(proxy, websocket)
        flood.settle()
        grown = proxy.rss() - before
        self.assertLess(grown, MOST_GROWTH, "memory is bounded by high_water, not by what the backend has to say")
        self.assertLess(proxy.metric("limpet_buffered_bytes"), self.READERS * 512 * 1024)
        self.assertGreaterEqual(proxy.metric("limpet_backpressure_pauses_total"), self.READERS)
        quick = proxy.ask(b"GET /quick HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        self.assertEqual(quick.body, b"quick", "others are served meanwhile")
        until("all are closed as slow_client",
              lambda: proxy.metric("limpet_sessions_closed_total", reason="slow_client") == self.READERS, 15)
        self.assertEqual(proxy.metric("limpet_sessions"), 0)
        until("nothing is kept for them", lambda: proxy.metric("limpet_buffered_bytes") == 0)
        for sock in socks:
            sock.close()

    def test_responses_nobody_reads_cost_bounded_memory_and_end_as_slow_client(self):
        self.play(websocket=False)

    def test_websockets_nobody_reads_cost_bounded_memory_and_end_as_slow_client(self):
        self.play(websocket=True)

    def test_a_reader_that_is_merely_slow_gets_everything(self):
        size = 3 * MEBI

        def serve(connection, head):
            connection.sendall(answer(b"y" * size))

        proxy = self.limpet([self.backend(serve)], route='[route.http]\nstall_timeout = "1s"')
        with proxy.connect(receive_buffer=4096) as sock:
            sock.sendall(GET)
            response, rest = read_head(sock)
            got = len(rest)
            while got < size:
                got += len(sock.recv(16384))
                if got < MEBI:
                    time.sleep(0.02)
            self.assertEqual(got, size)

    def test_a_backend_that_does_not_read_costs_bounded_memory(self):
        def serve(connection, head):
            connection.sendall(UPGRADED)
            time.sleep(10)
            return "close"

        proxy = self.limpet([self.backend(serve)], route='[route.http]\nstall_timeout = "30s"')
        before = proxy.rss()
        sent = 0
        for i in range(5):
            sock, _ = open_websocket(proxy, f"/?user={i}")
            self.addCleanup(sock.close)
            sock.settimeout(0.7)
            piece = frame(2, b"z" * 65000, masked=True)
            try:
                while sent < 400 * MEBI:
                    sent += sock.send(piece)
            except TimeoutError:
                pass
        self.assertLess(sent, 400 * MEBI, "the clients were no longer read")
        self.assertLess(proxy.rss() - before, MOST_GROWTH)


class Descriptors(BadInputTest):
    NOFILE = 120

    def play(self, proxy_settings):
        proxy = self.limpet([self.backend(serve_echo)], nofile=self.NOFILE, workers=1, proxy=proxy_settings,
                            pool='[pool.health]\ncheck = "none"')
        first = [open_websocket(proxy, f"/?user={i}") for i in range(10)]
        waiting = []
        for i in range(self.NOFILE):
            sock = proxy.connect(timeout=15)
            sock.sendall(GET.replace(b"GET /", b"GET /?user=w%d" % i))
            waiting.append(sock)
        time.sleep(1.5)
        self.assertIsNone(proxy.process.poll(), proxy.log())
        for i, (sock, frames) in enumerate(first):
            sock.sendall(frame(1, b"still %d" % i, masked=True))
            self.assertEqual(frames.next(), (1, b"still %d" % i), "an open session goes on")
        said = [line for line in proxy.log().splitlines() if "pause" in line]
        self.assertEqual(len(said), 1, "one line of the log says it, once:\n" + proxy.log())
        answered = len(select.select(waiting, [], [], 0)[0])
        self.assertLess(answered, self.NOFILE, "not all fit")
        self.all_are_served(waiting)
        for sock, _ in first:
            sock.close()
        sock, frames = open_websocket(proxy)
        sock.sendall(frame(1, b"after", masked=True))
        self.assertEqual(frames.next(), (1, b"after"))
        sock.close()
        self.assertGreater(proxy.metric("limpet_accept_pauses_total"), 0)

    def all_are_served(self, waiting):
        """Each that is answered and closed makes room for the next: no queued connection is stranded."""
        end = time.monotonic() + 20
        while waiting and time.monotonic() < end:
            for sock in select.select(waiting, [], [], 0.1)[0]:
                response = read_response(sock)
                self.assertIn(response.status, (200, 503))
                sock.close()
                waiting.remove(sock)
        self.assertEqual(len(waiting), 0, "connections were stranded in the queue")

    def test_when_they_are_about_to_run_out_accepting_pauses_and_nothing_open_is_harmed(self):
        self.play("")

    def test_when_they_really_run_out_accepting_pauses_and_nothing_open_is_harmed(self):
        self.play("max_sessions = 100000")


class MemoryBudget(BadInputTest):
    def test_past_the_budget_accepting_pauses_and_resumes(self):
        flood = Flood()
        proxy = self.limpet([self.backend(flood.serve)], proxy='memory_budget = "1MiB"',
                            route='[route.http]\nstall_timeout = "60s"\nhigh_water = "64KiB"', pool='[pool.health]\ncheck = "none"')
        held = proxy.connect()
        held.sendall(b"GET /quick HTTP/1.1\r\nHost: a.example\r\n\r\n")
        self.assertEqual(read_response(held).body, b"quick")
        readers = []
        for _ in range(60):
            sock = proxy.connect(receive_buffer=4096)
            sock.sendall(GET)
            readers.append(sock)
        flood.settle()
        waiting = proxy.metric("limpet_buffered_bytes")
        self.assertGreater(waiting, MEBI * 0.9)
        self.assertLess(waiting, 60 * 256 * 1024)
        late = []
        for _ in range(12):
            sock = proxy.connect()
            sock.sendall(b"GET /quick HTTP/1.1\r\nHost: a.example\r\n\r\n")
            late.append(sock)
        time.sleep(1.5)
        served = len(select.select(late, [], [], 0)[0])
        self.assertLessEqual(served, 2, "accepting has paused; each worker may have met one more")
        held.sendall(b"GET /quick HTTP/1.1\r\nHost: a.example\r\n\r\n")
        self.assertEqual(read_response(held).body, b"quick", "what is open goes on")
        for sock in readers:
            sock.close()
        for sock in late:
            self.assertEqual(read_response(sock).body, b"quick", "accepting resumes, and who waited is served")
            sock.close()
        held.close()


if __name__ == "__main__":
    unittest.main()
