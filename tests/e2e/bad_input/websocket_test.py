# SPDX-License-Identifier: Apache-2.0
"""WebSocket handshakes that must fail, and what a client's FIN means in each protocol."""
import select
import socket
import time
import unittest

from fixture import (ACCEPT, UPGRADED, BadInputTest, Frames, answer, frame, open_websocket, read_head, read_response, serve_echo, until,
                     upgrade_request)


class Handshakes(BadInputTest):
    def test_another_version_is_426_and_names_13(self):
        backend = self.backend(serve_echo)
        proxy = self.limpet([backend], pool='[pool.health]\ncheck = "none"')
        for version in ("8", "12", "14", "13, 8", ""):
            with self.subTest(version):
                response = proxy.ask(upgrade_request(version=version))
                self.assertEqual(response.status, 426)
                self.assertEqual(response.fields["sec-websocket-version"], "13")
        self.assertEqual(backend.received, b"")

    def test_a_malformed_key_opens_no_tunnel(self):
        backend = self.backend(serve_echo)
        proxy = self.limpet([backend])
        for key in ("", "short", "dGhlIHNhbXBsZSBub25jZQ", "!!!!!!!!!!!!!!!!!!!!!!=="):
            with self.subTest(key):
                self.assertEqual(proxy.ask(upgrade_request(key=key)).status, 400)

    def test_an_origin_that_is_not_allowed_is_403_before_the_backend_sees_anything(self):
        backend = self.backend(serve_echo)
        proxy = self.limpet([backend], route='[route.websocket]\nallowed_origins = ["https://app.example"]',
                            pool='[pool.health]\ncheck = "none"')
        for origin in ("https://evil.example", "http://app.example", "https://app.example.evil.example", "null"):
            self.assertEqual(proxy.ask(upgrade_request(extra=f"Origin: {origin}\r\n")).status, 403)
            stream = proxy.ask(f"GET /events HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\nOrigin: {origin}\r\n"
                               "Connection: close\r\n\r\n")
            self.assertEqual(stream.status, 403)
        self.assertEqual(backend.received, b"")
        self.assertEqual(proxy.metric("limpet_rejected_total", reason="origin"), 8)
        twice = "Origin: https://app.example\r\nOrigin: https://evil.example\r\n"
        self.assertEqual(proxy.ask(upgrade_request(extra=twice)).status, 400)
        for extra in ("Origin: https://app.example\r\n", ""):
            sock, _ = open_websocket(proxy, extra=extra)
            sock.close()

    def refused_101(self, response_bytes):
        def serve(connection, head):
            connection.sendall(response_bytes + frame(1, b"leaked"))
            time.sleep(0.5)
            return "close"

        response = self.limpet([self.backend(serve)]).ask(upgrade_request())
        self.assertEqual(response.status, 502)
        self.assertNotIn(b"leaked", response.body)

    def test_a_101_with_a_wrong_accept_key_is_502(self):
        self.refused_101(UPGRADED.replace(ACCEPT.encode(), b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="))

    def test_a_101_without_an_accept_key_is_502(self):
        self.refused_101(UPGRADED.replace(f"Sec-WebSocket-Accept: {ACCEPT}\r\n".encode(), b""))

    def test_a_101_to_another_protocol_is_502(self):
        self.refused_101(UPGRADED.replace(b"Upgrade: websocket", b"Upgrade: h2c"))

    def test_a_handshake_that_the_backend_answers_plainly_stays_http(self):
        backend = self.backend(lambda connection, head: connection.sendall(answer(b"no", "401 Unauthorized")))
        proxy = self.limpet([backend])
        with proxy.connect() as sock:
            sock.sendall(upgrade_request().encode() + b"GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n")
            first, rest = read_head(sock)
            self.assertEqual(first.status, 401)
            rest = rest[2:] if len(rest) >= 2 else rest + sock.recv(2)
            until("the next request", lambda: len(backend.heads) == 2)
        self.assertTrue(backend.heads[1].startswith("GET /next "))

    def test_h2c_is_dropped_and_never_tunnelled(self):
        backend = self.backend()
        response = self.limpet([backend]).ask("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                              "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
        self.assertEqual(response.status, 200)
        self.assertNotIn("h2c", backend.heads[0])
        self.assertNotIn("http2-settings", backend.heads[0].lower())

    def test_frames_sent_right_behind_the_request_are_forwarded_after_the_101(self):
        proxy = self.limpet([self.backend(serve_echo)])
        with proxy.connect() as sock:
            sock.sendall(upgrade_request().encode() + frame(1, b"early", masked=True))
            response, rest = read_head(sock)
            self.assertEqual(response.status, 101)
            self.assertEqual(Frames(sock, rest).next(), (1, b"early"))


class Full:
    """A backend that is there but answers no connect any more: nobody accepts, and its queue is full."""

    def __init__(self, name):
        self.name = name
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.waiting = []
        while not self.waiting or select.select([], [self.waiting[-1]], [], 0.3)[1]:
            self.waiting.append(socket.socket())
            self.waiting[-1].setblocking(False)
            self.waiting[-1].connect_ex(("127.0.0.1", self.port))

    def close(self):
        for sock in [self.listener, *self.waiting]:
            sock.close()


class LeavingWhileConnecting(BadInputTest):
    def test_who_is_to_leave_a_backend_and_never_gets_there_stays_at_the_next_one(self):
        full = Full("full")
        self.addCleanup(full.close)
        proxy = self.limpet([full, self.backend(serve_echo, name="open")],
                            pool='[pool.health]\ncheck = "none"\neject_after = 1000')
        socks = [proxy.connect() for _ in range(12)]
        for sock in socks:
            self.addCleanup(sock.close)
        for user, sock in enumerate(socks):
            sock.sendall(upgrade_request(f"/ws?user={user}").encode())
        time.sleep(0.3)
        late = [sock for sock in socks if not select.select([sock], [], [], 0)[0]]
        self.assertTrue(late, "none has its home at the full one")
        self.assertLess(len(late), len(socks))
        status, _ = proxy.admin("POST", "/v1/pools/main/backends/full/drain", {"over": "100ms", "deadline": "1m"})
        self.assertEqual(status, 202)
        for sock in late:
            response, rest = read_head(sock)
            self.assertEqual(response.status, 101)
            sock.sendall(frame(1, b"here", masked=True))
            self.assertEqual(Frames(sock, rest).next(), (1, b"here"))
            self.assertEqual(select.select([sock], [], [], 0.3)[0], [], "nothing is said to it")


class ClientsFin(BadInputTest):
    def slow(self, connection, head):
        time.sleep(1)
        connection.sendall(answer(b"late"))

    def test_http_is_still_answered(self):
        with self.limpet([self.backend(self.slow)]).connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            sock.shutdown(socket.SHUT_WR)
            response = read_response(sock)
            self.assertEqual((response.status, response.body), (200, b"late"))

    def backend_that_notices(self, first):
        """A backend that sends `first` and then waits for its connection's end; answers when that came."""
        noticed = []

        def serve(connection, head):
            connection.sendall(first)
            connection.settimeout(8)
            try:
                connection.recv(1)
                noticed.append(time.monotonic())
            except ConnectionResetError:
                noticed.append(time.monotonic())
            except TimeoutError:
                pass
            return "close"

        return self.backend(serve), noticed

    def test_an_event_stream_is_aborted_at_once(self):
        backend, noticed = self.backend_that_notices(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        with self.limpet([backend]).connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\n\r\n")
            read_head(sock)
            gone = time.monotonic()
            sock.shutdown(socket.SHUT_WR)
            until("the backend's side is closed", lambda: noticed)
            self.assertLess(noticed[0] - gone, 1)

    def test_a_long_poll_is_aborted_at_once(self):
        backend, noticed = self.backend_that_notices(b"")
        proxy = self.limpet([backend], route="[route.long_poll]\nalways = true")
        with proxy.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            until("the poll is at the backend", lambda: backend.heads)
            gone = time.monotonic()
            sock.shutdown(socket.SHUT_WR)
            until("the backend's side is closed", lambda: noticed)
            self.assertLess(noticed[0] - gone, 1)

    def test_a_websockets_fin_is_passed_on_and_closed_after_close_timeout(self):
        noticed = []

        def serve(connection, head):
            connection.sendall(UPGRADED)
            if connection.recv(1) == b"":
                noticed.append(time.monotonic())
            connection.sendall(frame(1, b"still here"))
            time.sleep(8)
            return "close"

        proxy = self.limpet([self.backend(serve)], route='[route.websocket]\nclose_timeout = "2s"')
        sock, frames = open_websocket(proxy)
        gone = time.monotonic()
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(frames.next(), (1, b"still here"))
        self.assertLess(time.monotonic() - gone, 1.5)
        self.assertEqual(len(noticed), 1)
        self.assertIsNone(frames.next())
        self.assertGreater(time.monotonic() - gone, 1.5)
        self.assertLess(time.monotonic() - gone, 5)


if __name__ == "__main__":
    unittest.main()
