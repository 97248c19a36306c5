# SPDX-License-Identifier: Apache-2.0
"""Windows authentication (NTLM, Negotiate) logs a user in on a connection: whoever is lent that connection is answered as that user."""
import re
import unittest

from fixture import BadInputTest, answer, read_response


class Logins:
    """A backend that logs in by NTLM or Negotiate, in three requests on one connection, and answers each request with the name of who
    is logged in on the connection that it came on."""

    def __init__(self):
        self.half, self.users = set(), {}

    def __call__(self, connection, head):
        found = re.search(r"^Authorization: (NTLM|Negotiate) (\S+)", head, re.M | re.I)
        scheme = re.search(r"^GET /(\w+)", head)[1]
        if found and found[2] == "hello":
            self.half.add(connection)
            return self.refuse(connection, f"{scheme} riddle")
        if found and connection in self.half:
            self.users[connection] = found[2]
        if connection not in self.users:
            return self.refuse(connection, scheme)
        connection.sendall(answer(self.users[connection].encode()))

    def refuse(self, connection, challenge):
        connection.sendall(answer(b"", "401 Unauthorized", f'WWW-Authenticate: Basic realm="here"\r\nWWW-Authenticate: {challenge}\r\n'))


class LoginTest(BadInputTest):
    def ask(self, sock, scheme, credentials=None):
        """Status and body, which is who the backend takes this client for."""
        fields = f"Authorization: {scheme} {credentials}\r\n" if credentials else ""
        sock.sendall(f"GET /{scheme.lower()} HTTP/1.1\r\nHost: intranet.example\r\n{fields}\r\n".encode())
        response = read_response(sock)
        return response.status, response.body.decode()

    def log_in(self, sock, scheme, user):
        self.assertEqual(self.ask(sock, scheme), (401, ""))
        self.assertEqual(self.ask(sock, scheme, "hello"), (401, ""))
        self.assertEqual(self.ask(sock, scheme, user), (200, user))

    def test_each_of_two_clients_is_who_it_has_logged_in_as_and_a_third_is_nobody(self):
        for scheme in ("NTLM", "Negotiate", "ntlm", "NEGOTIATE"):
            with self.subTest(scheme=scheme):
                limpet = self.limpet([self.backend(Logins())], workers=1)
                with limpet.connect() as alice, limpet.connect() as bob:
                    self.log_in(alice, scheme, "alice")
                    self.assertEqual(self.ask(bob, scheme), (401, ""))
                    self.log_in(bob, scheme, "bob")
                    for _ in range(5):
                        self.assertEqual(self.ask(alice, scheme), (200, "alice"))
                        self.assertEqual(self.ask(bob, scheme), (200, "bob"))
                        with limpet.connect() as third:
                            self.assertEqual(self.ask(third, scheme), (401, ""))
                for _ in range(5):
                    with limpet.connect() as heir:
                        self.assertEqual(self.ask(heir, scheme), (401, ""))

    def test_users_behind_a_trusted_proxy_share_no_login(self):
        limpet = self.limpet([self.backend(Logins())], workers=1, limits='trusted_proxies = ["127.0.0.1"]')
        with limpet.connect() as proxy:
            self.ask(proxy, "NTLM", "hello")
            self.assertEqual(self.ask(proxy, "NTLM", "alice"), (401, ""))
            self.assertEqual(self.ask(proxy, "NTLM"), (401, ""))


if __name__ == "__main__":
    unittest.main()
