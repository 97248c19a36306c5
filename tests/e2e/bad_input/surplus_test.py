# SPDX-License-Identifier: Apache-2.0
"""A backend that says more than its answer: whoever asks next on that connection must not get the rest for an answer. What a connection
that nobody else has used brings to its own client cannot always be told from an answer, and is reported; what reaches another client is
a fault."""
import random
import threading
import time
import unittest

from fixture import BadInputTest, answer, read_response

PAIRS = 1000
LENT_AFTER_S = 0.04  # a little less than the silence after which limpet lends a connection


class Talker:
    """Answers each request with its target, and then once more, unasked, after a time that is drawn."""

    def __init__(self, seed, longest_s=0.005):
        self.draw, self.longest_s = random.Random(seed), longest_s
        self.late = set()  # what was said so late, on a busy machine, that the connection may have been lent meanwhile

    def __call__(self, connection, head):
        target = head.split(" ")[1]
        connection.sendall(answer(target.encode()))
        answered = time.monotonic()
        time.sleep(self.draw.uniform(0, self.longest_s))
        rest = "rest of " + target
        self.late.add(rest)  # unless it turns out to have been in time
        connection.sendall(answer(rest.encode()))
        if time.monotonic() - answered < LENT_AFTER_S:
            self.late.discard(rest)


class Client:
    def __init__(self, limpet, talker, name, method="GET"):
        self.limpet, self.talker, self.name, self.method = limpet, talker, name, method
        self.sock = limpet.connect()
        self.asked = self.own = self.others = self.late = self.refused = 0

    def ask(self):
        target = f"/{self.name}/{self.asked}"
        self.asked += 1
        self.sock.sendall(f"{self.method} {target} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n".encode())
        response = read_response(self.sock)
        got = response.body.decode()
        if response.status != 200:
            self.refused += 1
        elif got != target:
            if f"/{self.name}/" in got:
                self.own += 1
            elif got in self.talker.late:
                self.late += 1
            else:
                self.others += 1
        if response.fields.get("connection") == "close":
            self.sock.close()
            self.sock = self.limpet.connect()


class SurplusTest(BadInputTest):
    def measure(self, what, run, method="GET", **settings):
        talker = Talker(1)
        limpet = self.limpet([self.backend(talker)], workers=1, **settings)
        clients = [Client(limpet, talker, "a", method), Client(limpet, talker, "b", method)]
        run(*clients)
        for client in clients:
            client.sock.close()
        asked = sum(client.asked for client in clients)
        share = {kind: 100 * sum(getattr(client, kind) for client in clients) / asked for kind in ("own", "others", "late", "refused")}
        print(f"surplus, {what}: {asked} requests, a wrong answer reached its own client in {share['own']:.2f}%, another in "
              f"{share['others']:.2f}%; {share['late']:.2f}% were said too late to tell, {share['refused']:.2f}% were refused", flush=True)
        self.assertEqual(share["others"], 0)
        return share

    def test_two_clients_in_turn(self):
        def run(a, b):
            for _ in range(PAIRS):
                a.ask()
                b.ask()
        self.measure("in turn", run)

    def test_two_clients_in_turn_with_pauses(self):
        draw = random.Random(2)

        def run(a, b):
            for _ in range(PAIRS):
                for client in (a, b):
                    client.ask()
                    time.sleep(draw.uniform(0, 0.004))
        self.measure("in turn, with pauses", run)

    def test_two_clients_at_once(self):
        def run(*clients):
            def asks(client):
                for _ in range(PAIRS):
                    client.ask()
            threads = [threading.Thread(target=asks, args=(client,)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.measure("at once", run)

    def test_requests_that_cannot_be_repeated(self):
        def run(a, b):
            for _ in range(PAIRS):
                a.ask()
                b.ask()
        self.measure("POST", run, "POST")

    # Whoever shares a connection to limpet is not one client.
    def test_behind_a_trusted_proxy_nobody_has_a_connection_of_his_own(self):
        def run(a, b):
            for _ in range(PAIRS):
                a.ask()
                b.ask()
        share = self.measure("behind a trusted proxy", run, limits='trusted_proxies = ["127.0.0.1"]')
        self.assertEqual(share["own"], 0)


if __name__ == "__main__":
    unittest.main()
