# SPDX-License-Identifier: Apache-2.0
"""A backend that dies in mid-session: what each protocol's client gets to see, and that many ends at once are spread over crash_spread
while those who still wait for theirs stay connected."""
import select
import time
import unittest

from fixture import UPGRADED, BadInputTest, Frames, close_code, frame, open_websocket, read_head, read_response, reset, serve_echo

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
ASK_EVENTS = b"GET /?user=1 HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\n\r\n"


class OneSession(BadInputTest):
    def limpet_with(self, serve):
        return self.limpet([self.backend(serve)], proxy='crash_spread = "100ms"')

    def dying(self, *pieces, by_reset):
        def serve(connection, head):
            for piece in pieces:
                connection.sendall(piece)
            time.sleep(0.3)
            if by_reset:
                reset(connection)
            return "close"

        return self.limpet_with(serve)

    def test_a_websocket_at_a_frame_boundary_gets_1001_and_a_fin(self):
        for by_reset in (True, False):
            with self.subTest(by_reset=by_reset):
                sock, frames = open_websocket(self.dying(UPGRADED, frame(1, b"hello"), by_reset=by_reset))
                self.assertEqual(frames.next(), (1, b"hello"))
                opcode, payload = frames.next()
                self.assertEqual((opcode, close_code(payload)), (8, 1001))
                sock.sendall(frame(8, payload, masked=True))
                self.assertIsNone(frames.next())
                self.assertFalse(frames.reset)

    def test_a_websocket_between_fragments_gets_1001_too(self):
        sock, frames = open_websocket(self.dying(UPGRADED, frame(1, b"hel", fin=False), by_reset=True))
        self.assertEqual(frames.next(), (1, b"hel"))
        self.assertEqual(close_code(frames.next()[1]), 1001)

    def test_a_websocket_in_mid_frame_gets_no_close_but_a_fin(self):
        half = frame(2, b"x" * 1000)[:300]
        sock, frames = open_websocket(self.dying(UPGRADED, frame(1, b"hello"), half, by_reset=True))
        self.assertEqual(frames.next(), (1, b"hello"))
        self.assertIsNone(frames.next())
        self.assertEqual(frames.rest, half)
        self.assertFalse(frames.reset)

    def test_an_event_stream_gets_a_retry_and_a_proper_end(self):
        text = b"id: 1\ndata: whole\n\nid: 2\ndata: ha"
        in_chunks = (EVENTS[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s\r\n" % (len(text), text))
        # Without chunks a FIN is how a stream ends; that is no death.
        for pieces, by_reset in (((EVENTS, text), True), (in_chunks, True), (in_chunks, False)):
            with self.subTest(pieces=pieces, by_reset=by_reset):
                with self.dying(*pieces, by_reset=by_reset).connect() as sock:
                    sock.sendall(ASK_EVENTS)
                    response = read_response(sock)
                    self.assertTrue(response.whole)
                    body = response.body.decode()
                    self.assertIn("id: 1\ndata: whole\n\n", body)
                    self.assertNotIn("ha\n\n", body, "the half event must not be dispatched")
                    self.assertRegex(body, r"\nretry: ?\d+\n+\Z")

    def test_a_body_of_a_promised_length_is_cut(self):
        for by_reset in (True, False):
            with self.subTest(by_reset=by_reset):
                with self.dying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x" * 300, by_reset=by_reset).connect() as sock:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
                    response = read_response(sock)
                    self.assertFalse(response.whole)
                    self.assertLess(len(response.body), 1000)

    def test_a_chunked_body_never_ends_cleanly(self):
        for by_reset in (True, False):
            with self.subTest(by_reset=by_reset):
                head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                with self.dying(head, b"5\r\nhello\r\n", by_reset=by_reset).connect() as sock:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
                    response = read_response(sock)
                    self.assertEqual(response.body, b"hello")
                    self.assertFalse(response.whole)

    def test_a_body_that_a_reset_ends_instead_of_a_fin_is_cut(self):
        with self.dying(b"HTTP/1.1 200 OK\r\n\r\n", b"hello", by_reset=True).connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            self.assertFalse(read_response(sock).whole)


class ManySessions(BadInputTest):
    COUNT, SPREAD = 120, 3.0

    def play(self, open_one, is_end):
        """Opens COUNT sessions on the one backend, kills it, and answers the times of the ends after that."""
        socks = [open_one(i) for i in range(self.COUNT)]
        self.doomed.die()
        died = time.monotonic()
        ends, buffers = {}, {sock: b"" for sock in socks}
        while len(ends) < len(socks) and time.monotonic() < died + self.SPREAD + 5:
            ready, _, _ = select.select([sock for sock in socks if sock not in ends], [], [], 0.05)
            for sock in ready:
                got = sock.recv(65536)
                buffers[sock] += got
                if not got or is_end(buffers[sock]):
                    ends[sock] = time.monotonic() - died
        for sock in socks:
            sock.close()
        return sorted(ends.values())

    def judge(self, ends):
        self.assertEqual(len(ends), self.COUNT, "every session ended")
        self.assertGreater(ends[-1] - ends[0], self.SPREAD * 0.6, "the ends are spread")
        self.assertLess(ends[-1], self.SPREAD + 2)
        for moment in ends:
            together = sum(1 for end in ends if moment <= end < moment + 1)
            self.assertLessEqual(together, 2.2 * self.COUNT / self.SPREAD, "no second sees more than about twice the mean")

    def start(self, serve):
        self.doomed = self.backend(serve)
        return self.limpet([self.doomed], proxy=f'crash_spread = "{self.SPREAD:.0f}s"')

    def test_ends_of_websockets_are_spread(self):
        proxy = self.start(serve_echo)
        self.judge(self.play(lambda i: open_websocket(proxy, f"/?user={i}")[0],
                             lambda data: data.startswith(b"\x88") and close_code(data[2:]) == 1001))

    def test_ends_of_event_streams_are_spread(self):
        def serve(connection, head):
            connection.sendall(EVENTS + b"data: hello\n\n")
            while connection.recv(1):
                pass
            return "close"

        proxy = self.start(serve)

        def open_one(i):
            sock = proxy.connect()
            sock.sendall(ASK_EVENTS.replace(b"user=1", b"user=%d" % i))
            _, rest = read_head(sock)
            while b"data: hello\n\n" not in rest:
                rest += sock.recv(65536)
            return sock

        self.judge(self.play(open_one, lambda data: data.endswith(b"0\r\n\r\n")))

    def test_pings_are_answered_by_nobody_but_the_connection_stays_until_its_turn(self):
        proxy = self.start(serve_echo)
        socks = [open_websocket(proxy, f"/?user={i}")[0] for i in range(self.COUNT)]
        self.doomed.die()
        time.sleep(self.SPREAD / 3)
        waiting = 0
        for sock in socks:
            sock.setblocking(False)
            try:
                sock.recv(1)
            except BlockingIOError:
                sock.setblocking(True)
                sock.sendall(frame(1, b"into the void", masked=True))
                waiting += 1
        self.assertGreater(waiting, self.COUNT // 4, "a good part still waits for its turn")
        for sock in socks:
            sock.setblocking(True)
            sock.settimeout(self.SPREAD + 4)
            frames = Frames(sock)
            while frames.next() is not None:
                pass
            self.assertFalse(frames.reset and not frames.rest and waiting == 0)
            sock.close()


if __name__ == "__main__":
    unittest.main()
