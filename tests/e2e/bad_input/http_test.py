# SPDX-License-Identifier: Apache-2.0
"""Malformed, ambiguous and abusive HTTP, and the answers of limpet's own: 400, 404, 408, 429, 431, 502, 503, 504, with their variants for
a browser's EventSource. "Never forwarded" is judged at the backend: not one byte of a refused request may arrive there."""
import socket
import time
import unittest

from fixture import BadInputTest, Nowhere, answer, read_response, serve_ok, until

HOST = "Host: chat.example.com\r\n"

MALFORMED = {
    "both a length and chunks": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths that differ": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "two lengths that agree": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5, 5\r\n\r\nhello",
    "a negative length": f"POST / HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n",
    "a length with a sign": f"POST / HTTP/1.1\r\n{HOST}Content-Length: +5\r\n\r\nhello",
    "a length in hexadecimal": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 0x5\r\n\r\nhello",
    "a length beyond 64 bits": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 18446744073709551617\r\n\r\nx",
    "a folded field": f"GET / HTTP/1.1\r\n{HOST}X-A: one\r\n two\r\n\r\n",
    "a folded Transfer-Encoding": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a folded first field": f"GET / HTTP/1.1\r\n X: y\r\n{HOST}\r\n",
    "bare LF in a head": "GET / HTTP/1.1\r\nHost: chat.example.com\nX: y\r\n\r\n",
    "bare CR in a value": f"GET / HTTP/1.1\r\n{HOST}X: a\rb\r\n\r\n",
    "NUL in a value": f"GET / HTTP/1.1\r\n{HOST}X: a\0b\r\n\r\n",
    "NUL in a name": f"GET / HTTP/1.1\r\n{HOST}X\0Y: b\r\n\r\n",
    "a space before the colon": f"GET / HTTP/1.1\r\n{HOST}X : b\r\n\r\n",
    "a space before the colon of Transfer-Encoding": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a field without a colon": f"GET / HTTP/1.1\r\n{HOST}nonsense\r\n\r\n",
    "a field without a name": f"GET / HTTP/1.1\r\n{HOST}: value\r\n\r\n",
    "no Host": "GET / HTTP/1.1\r\n\r\n",
    "two Hosts": f"GET / HTTP/1.1\r\n{HOST}{HOST}\r\n",
    "a Host that is none": "GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n",
    "a Host other than the target's": f"GET http://other.example/ HTTP/1.1\r\n{HOST}\r\n",
    "a target beyond ASCII": f"GET /\u00e4 HTTP/1.1\r\n{HOST}\r\n",
    "a target with a space": f"GET /a b HTTP/1.1\r\n{HOST}\r\n",
    "no target": f"GET HTTP/1.1\r\n{HOST}\r\n",
    "a method that is no token": f"G(T / HTTP/1.1\r\n{HOST}\r\n",
    "chunks in HTTP/1.0": f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "something that is no HTTP": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
}

CODINGS = ["xchunked", "identity", '"chunked"', "", "chunked, gzip", "gzip, chunked", "chunked, chunked", ",chunked", "chunked;a=b",
           "chunked\x0b", "chunked, identity"]


class MalformedRequests(BadInputTest):
    def setUp(self):
        self.target = self.backend()
        self.proxy = self.limpet([self.target], route='[route.http]\nrequest_header_timeout = "2s"', pool='[pool.health]\ncheck = "none"')

    def refused(self, text, statuses):
        response = self.proxy.ask(text.encode("latin1"))
        self.assertIn(response.status, statuses)
        self.assertTrue(response.closed, "the connection is closed")
        self.assertEqual(self.target.received, b"", "a byte of it was forwarded")

    def test_a_good_request_is_forwarded(self):
        self.assertEqual(self.proxy.ask(f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n").status, 200)
        self.assertEqual(self.proxy.ask(f"\r\nGET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n").status, 200)
        self.assertEqual(len(self.target.heads), 2)

    def test_malformed_and_ambiguous_requests_get_400_and_are_never_forwarded(self):
        for name, text in MALFORMED.items():
            with self.subTest(name):
                self.refused(text, {400})

    def test_transfer_encodings_other_than_chunked_are_refused(self):
        for coding in CODINGS:
            with self.subTest(coding):
                self.refused(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n", {400, 501})

    def test_repeated_transfer_encodings_are_refused(self):
        self.refused(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", {400, 501})

    def test_a_head_of_lone_line_feeds_is_refused(self):
        self.refused("GET / HTTP/1.1\nHost: chat.example.com\n\n", {400, 408})

    def test_a_connect_is_refused(self):
        self.refused("CONNECT chat.example.com:443 HTTP/1.1\r\nHost: chat.example.com:443\r\n\r\n", {400, 405, 501})

    def test_another_major_version_is_refused(self):
        self.refused(f"GET / HTTP/2.0\r\n{HOST}\r\n", {400, 505})

    def test_a_malformed_chunk_never_ends_as_a_good_request(self):
        whole = f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"
        for name, body in {"a size that is none": "xyz\r\nhello\r\n0\r\n\r\n", "a negative size": "-5\r\nhello\r\n0\r\n\r\n",
                           "a size beyond 64 bits": "10000000000000005\r\nhello\r\n0\r\n\r\n",
                           "data longer than its size": "3\r\nhello\r\n0\r\n\r\n"}.items():
            with self.subTest(name):
                before = len(self.target.received)
                response = self.proxy.ask(whole + body)
                self.assertEqual(response.status, 400)
                self.assertTrue(response.closed)
                self.assertNotIn(b"0\r\n\r\n", self.target.received[before:], "the backend was told that the body was whole")

    def test_what_follows_a_refused_request_is_not_a_request(self):
        self.refused(f"GET / HTTP/1.1\r\n{HOST}X : y\r\n\r\nGET /smuggled HTTP/1.1\r\n{HOST}\r\n", {400})

    def test_a_refusal_is_counted(self):
        self.proxy.ask(f"GET / HTTP/1.1\r\n{HOST}X : y\r\n\r\n")
        self.assertEqual(self.proxy.metric("limpet_rejected_total", reason="malformed"), 1)


class MalformedResponses(BadInputTest):
    def test_what_is_no_response_becomes_502(self):
        cases = {
            "an SSH banner": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "a status below 100": b"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n",
            "an unasked 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "a length beyond 63 bits": b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
            "an end before the head": b"HTTP/1.1 200 OK\r\nContent-",
            "endless 1xx": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,
        }
        sent = {}

        def serve(connection, head):
            connection.sendall(sent["bytes"])
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)
            return "close"

        backend = self.backend(serve)
        proxy = self.limpet([backend], pool='[pool.health]\ncheck = "none"\neject_after = 1000')
        for name, data in cases.items():
            with self.subTest(name):
                sent["bytes"] = data
                with proxy.connect() as sock:
                    sock.sendall(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1\r\nConnection: close\r\n\r\nx".encode())
                    raw = b""
                    while got := sock.recv(1 << 20):
                        raw += got
                    statuses = [int(part[:3]) for part in raw.split(b"HTTP/1.1 ")[1:]]
                    self.assertEqual([status for status in statuses if status != 103], [502])
                    self.assertLess(len(statuses), 100)

    def test_a_status_line_without_a_reason_is_accepted(self):
        backend = self.backend(lambda connection, head: connection.sendall(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"))
        response = self.limpet([backend]).ask(f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")
        self.assertEqual((response.status, response.body), (200, b"ok"))


class NowhereToGo(BadInputTest):
    GET = f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"

    def down(self):
        proxy = self.limpet([Nowhere()], pool='[pool.health]\ninterval = "100ms"\nfall = 1\ntimeout = "100ms"')
        until("it is down", lambda: proxy.health_of("gone") == "down")
        return proxy

    def refusing(self):
        return self.limpet([Nowhere()], pool='[pool.health]\ncheck = "none"\neject_after = 100000')

    def silent(self):
        return self.limpet([self.backend(lambda connection, head: time.sleep(5))], route='[route.http]\nresponse_timeout = "500ms"',
                           pool="[pool.health]\neject_after = 100000")

    def event_source(self, proxy, extra="", method="GET", accept="text/event-stream"):
        return proxy.ask(f"{method} / HTTP/1.1\r\n{HOST}Accept: {accept}\r\n{extra}Connection: close\r\n\r\n")

    def test_no_route_is_404_for_an_event_source_too(self):
        backend = self.backend()
        proxy = self.limpet([backend], routes='[[route]]\nhost = "other.example"\npath = "/api"\npool = "main"\n')
        for path, host, status in [("/", "other.example", 404), ("/api", "chat.example.com", 404), ("/apis", "other.example", 404),
                                   ("/api", "other.example", 200), ("/api/x", "OTHER.example:8080", 200)]:
            response = proxy.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            self.assertEqual(response.status, status, (path, host))
        self.assertEqual(self.event_source(proxy).status, 404)
        self.assertEqual(len(backend.heads), 2)
        self.assertEqual(proxy.metric("limpet_rejected_total", reason="no_route"), 4)

    def test_no_available_backend_is_503_with_a_jittered_retry_after(self):
        proxy = self.down()
        answers = [proxy.ask(self.GET) for _ in range(40)]
        self.assertEqual({response.status for response in answers}, {503})
        waits = {int(response.fields["retry-after"]) for response in answers}
        self.assertGreater(len(waits), 1, "Retry-After is jittered")
        self.assertGreaterEqual(min(waits), 1)
        self.assertEqual(proxy.metric("limpet_rejected_total", reason="no_backend"), 40)

    def test_refused_by_the_backend_is_502(self):
        self.assertEqual(self.refusing().ask(self.GET).status, 502)

    def test_timed_out_is_504(self):
        began = time.monotonic()
        self.assertEqual(self.silent().ask(self.GET).status, 504)
        self.assertLess(time.monotonic() - began, 4)

    def test_an_event_source_gets_an_empty_stream_with_a_retry_instead(self):
        for make in (self.down, self.refusing, self.silent):
            with self.subTest(make.__name__):
                proxy = make()
                response = self.event_source(proxy)
                self.assertEqual(response.status, 200)
                self.assertTrue(response.fields["content-type"].startswith("text/event-stream"))
                self.assertEqual(response.fields["cache-control"], "no-store")
                self.assertRegex(response.body.decode(), r"\Aretry: ?\d+\n\n\Z")
                self.assertTrue(response.whole)
                self.assertNotIn("access-control-allow-origin", response.fields)

    def test_a_cross_origin_event_source_may_read_it(self):
        response = self.event_source(self.refusing(), "Origin: https://app.example\r\n")
        self.assertEqual(response.fields["access-control-allow-origin"], "https://app.example")
        self.assertEqual(response.fields["access-control-allow-credentials"], "true")
        self.assertIn("Origin", response.fields["vary"])

    def test_what_is_no_event_source_gets_the_plain_status(self):
        proxy = self.refusing()
        self.assertEqual(self.event_source(proxy, accept="text/event-stream, */*").status, 502)
        self.assertEqual(self.event_source(proxy, accept="*/*").status, 502)
        self.assertEqual(self.event_source(proxy, "Content-Length: 0\r\n", method="POST").status, 502)


class Limits(BadInputTest):
    GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"

    def test_a_head_that_is_too_large_is_431(self):
        backend = self.backend()
        proxy = self.limpet([backend], route='[route.http]\nmax_head = "8KiB"')
        fields = "".join(f"X-{i}: {'y' * 100}\r\n" for i in range(100))
        for text in (f"GET / HTTP/1.1\r\n{HOST}X: {'y' * 9000}\r\n\r\n", f"GET / HTTP/1.1\r\n{HOST}{fields}\r\n",
                     f"GET /{'y' * 9000} HTTP/1.1\r\n{HOST}\r\n"):
            self.assertEqual(proxy.ask(text).status, 431)
        self.assertEqual(backend.heads, [])
        self.assertEqual(proxy.ask(f"GET / HTTP/1.1\r\n{HOST}X: {'y' * 7000}\r\n\r\n").status, 200)

    def test_a_head_that_comes_too_slowly_is_408(self):
        proxy = self.limpet([self.backend()], route='[route.http]\nrequest_header_timeout = "1s"')
        with proxy.connect() as sock:
            began = time.monotonic()
            for byte in b"GET / HTTP/1.1\r\nHost: chat.example.com\r\nX: ":
                try:
                    sock.sendall(bytes([byte]))
                except OSError:
                    break
                time.sleep(0.05)
            response = read_response(sock)
            self.assertEqual(response.status, 408)
            self.assertLess(time.monotonic() - began, 6)

    def test_too_many_requests_from_one_address_are_429(self):
        backend = self.backend()
        proxy = self.limpet([backend], limits="[listener.limits]\nrequests_per_second = 5")
        statuses = [proxy.ask(self.GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).status for _ in range(20)]
        self.assertEqual(set(statuses), {200, 429})
        self.assertGreaterEqual(statuses.count(200), 5)
        self.assertEqual(len(backend.heads), statuses.count(200))
        self.assertEqual(proxy.metric("limpet_rejected_total", reason="rate"), statuses.count(429))
        time.sleep(1.5)
        self.assertEqual(proxy.ask(self.GET).status, 200)

    def test_too_many_sessions_from_one_address_are_429(self):
        def serve(connection, head):
            time.sleep(2)
            connection.sendall(answer())

        proxy = self.limpet([self.backend(serve)], limits="[listener.limits]\nsessions = 3")
        socks = [proxy.connect() for _ in range(3)]
        for sock in socks:
            sock.sendall(self.GET.encode())
        until("three sessions", lambda: proxy.metric("limpet_sessions") == 3)
        self.assertEqual(proxy.ask(self.GET).status, 429)
        self.assertEqual(proxy.metric("limpet_rejected_total", reason="limit"), 1)
        for sock in socks:
            self.assertEqual(read_response(sock).status, 200)
            sock.close()
        self.assertEqual(proxy.ask(self.GET).status, 200)

    def test_too_many_new_sessions_per_second_are_429(self):
        proxy = self.limpet([self.backend(serve_ok)], limits="[listener.limits]\nnew_sessions_per_second = 5")
        statuses = [proxy.ask(self.GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).status for _ in range(20)]
        self.assertEqual(set(statuses), {200, 429})


if __name__ == "__main__":
    unittest.main()
