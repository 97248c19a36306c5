# SPDX-License-Identifier: Apache-2.0
"""What the bad-input tests stand on: limpet as a process with a configuration of its own, backends that do exactly what a test wants
(threads over raw sockets), and a raw client that reads HTTP by the letter. Standard library only. Everything is on loopback and in
temporary directories, and is stopped with its test."""
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest


# Below what the kernel gives to outgoing connections, and each process in a part of its own: several tests may run at once.
next_port = 10000 + os.getpid() % 200 * 100


def free_port():
    global next_port
    while True:
        port = next_port
        next_port = port + 1 if port < 29999 else 10000
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            pass


def until(what, check, limit=10.0):
    """Waits until check() is true; fails the test after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.02)


def reset(sock):
    """Ends a connection by RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Backend:
    """Accepts connections and calls serve(connection, head) for each request head, in a thread per connection."""

    def __init__(self, serve, name="b1", port=0):
        self.name, self.serve = name, serve
        self.heads, self.received, self.connections = [], b"", []
        self.ended = 0
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        buffered = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffered:
                    got = connection.recv(65536)
                    if not got:
                        return
                    self.received += got
                    buffered += got
                head, _, buffered = buffered.partition(b"\r\n\r\n")
                self.heads.append(head.decode("latin1"))
                if self.serve(connection, self.heads[-1]) == "close":
                    return
        except OSError:
            pass
        finally:
            self.ended += 1
            connection.close()

    def die(self):
        """As if killed: no listener, and every connection reset."""
        self.close_listener()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RD)  # wakes its thread
                reset(connection)
            except OSError:
                pass

    def close_listener(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def stop(self):
        self.die()


def answer(body=b"ok", status="200 OK", fields=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def serve_ok(connection, head):
    connection.sendall(answer())


class Limpet:
    """The proxy under test. `config` is TOML put between [admin] and the listener; limits is TOML behind the listener."""

    def __init__(self, backends, proxy="", limits="", route="", pool="", keys='keys = ["query:user"]', routes=None, nofile=None, workers=2):
        self.directory = tempfile.mkdtemp(prefix="limpet-bad-")
        self.port, self.admin_port = free_port(), free_port()
        if routes is None:
            routes = f'[[route]]\npath = "/"\npool = "main"\n{route}\n'
        text = (f'[proxy]\nworkers = {workers}\nio = "{os.environ.get("LIMPET_IO", "epoll")}"\ndrain_delay = "0s"\n{proxy}\n[admin]\nsocket = "{self.directory}/admin.sock"\n'
                f'address = "127.0.0.1:{self.admin_port}"\n[[listener]]\nname = "web"\naddress = "127.0.0.1:{self.port}"\n{limits}\n'
                f'{routes}[[pool]]\nname = "main"\n[pool.affinity]\n{keys}\n{pool}\n')
        for backend in backends:
            text += f'[[pool.backend]]\nname = "{backend.name}"\naddress = "127.0.0.1:{backend.port}"\n'
        file = os.path.join(self.directory, "limpet.toml")
        with open(file, "w") as out:
            out.write(text)
        self.log_file = os.path.join(self.directory, "log")
        command = [os.environ["LIMPET_BINARY"], "run", "-c", file]
        if nofile:
            command = ["prlimit", f"--nofile={nofile}:{nofile}"] + command
        with open(self.log_file, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until("limpet is ready:\n" + self.log(), self._ready)

    def _ready(self):
        assert self.process.poll() is None, self.log()
        try:
            return self.admin("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def log(self):
        with open(self.log_file) as log:
            return log.read()

    def admin(self, method, path, body=None):
        """Status and body of an admin call, over a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.admin_port), timeout=5) as sock:
            text = json.dumps(body or {}).encode() if method == "POST" else b""
            fields = f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n" if method == "POST" else ""
            sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.admin_port}\r\nConnection: close\r\n{fields}\r\n".encode() + text)
            response = read_response(sock)
        return response.status, response.body.decode()

    def health_of(self, name):
        pool = json.loads(self.admin("GET", "/v1/pools/main")[1])
        return next(backend["health"] for backend in pool["backends"] if backend["name"] == name)

    def metric(self, name, **labels):
        """The sum over all series of a metric that have these labels."""
        total = 0.0
        for line in self.admin("GET", "/metrics")[1].splitlines():
            match = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if match and match[1] == name and all(f'{key}="{value}"' in (match[2] or "") for key, value in labels.items()):
                total += float(match[3])
        return total

    def rss(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024

    def connect(self, timeout=10, receive_buffer=None):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", self.port))
        return sock

    def ask(self, text, timeout=10):
        """Sends bytes on a new connection and reads one response; says in .closed whether limpet then closed."""
        with self.connect(timeout) as sock:
            sock.sendall(text if isinstance(text, bytes) else text.encode())
            response = read_response(sock, text[:4] in ("HEAD", b"HEAD"))
            sock.settimeout(3)
            try:
                response.closed = sock.recv(1) == b""
            except ConnectionResetError:
                response.closed = True
            except TimeoutError:
                response.closed = False
            return response

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Response:
    def __init__(self, head):
        lines = head.decode("latin1").split("\r\n")
        self.first = lines[0]
        self.status = int(lines[0].split(" ")[1])
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            self.fields[name.lower()] = value
        self.body = b""
        self.whole = False  # the body came to its proper end
        self.closed = None


def read_head(sock, buffered=b""):
    while b"\r\n\r\n" not in buffered:
        got = sock.recv(65536)
        if not got:
            raise ConnectionError(f"the end before a whole head: {buffered!r}")
        buffered += got
    head, _, rest = buffered.partition(b"\r\n\r\n")
    return Response(head), rest


def read_response(sock, is_head=False):
    response, rest = read_head(sock)
    if is_head or response.status in (204, 304) or response.status < 200:
        response.whole = True
        return response
    chunked = response.fields.get("transfer-encoding") == "chunked"
    length = response.fields.get("content-length")
    raw = rest
    while True:
        if chunked:
            response.body, response.whole = decode_chunks(raw)
        else:
            response.body = raw
            response.whole = length is not None and len(raw) >= int(length)
        if response.whole:
            return response
        try:
            got = sock.recv(65536)
        except ConnectionResetError:
            return response
        if not got:
            response.whole = length is None and not chunked
            return response
        raw += got


def decode_chunks(raw):
    body = b""
    while True:
        size, separator, rest = raw.partition(b"\r\n")
        if not separator:
            return body, False
        length = int(size, 16)
        if length == 0:
            return body, rest.startswith(b"\r\n")
        if len(rest) < length + 2:
            return body + rest[:length], False
        body += rest[:length]
        raw = rest[length + 2:]


# WebSocket, by the letter of RFC 6455.

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def upgrade_request(path="/ws", version="13", extra="", key=KEY):
    return (f"GET {path} HTTP/1.1\r\nHost: chat.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n{extra}\r\n")


UPGRADED = (f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n").encode()


def frame(opcode, payload=b"", masked=False, fin=True):
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    mask = b"\x01\x02\x03\x04"
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class Frames:
    """Reads frames from a socket; ends with what is left over when the connection ends."""

    def __init__(self, sock, rest=b""):
        self.sock, self.rest, self.reset = sock, rest, False

    def next(self):
        """(opcode, payload), or None at the end of the connection."""
        while True:
            parsed = self._parse()
            if parsed:
                return parsed
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                self.reset = True
                return None
            if not got:
                return None
            self.rest += got

    def _parse(self):
        data = self.rest
        if len(data) < 2:
            return None
        size, start = data[1] & 0x7F, 2
        masked = bool(data[1] & 0x80)
        if size == 126:
            if len(data) < 4:
                return None
            size, start = struct.unpack(">H", data[2:4])[0], 4
        elif size == 127:
            if len(data) < 10:
                return None
            size, start = struct.unpack(">Q", data[2:10])[0], 10
        mask = data[start:start + 4] if masked else b""
        start += len(mask)
        if len(data) < start + size:
            return None
        payload = data[start:start + size]
        if masked:
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.rest = data[start + size:]
        return data[0] & 0x0F, payload


def close_code(payload):
    return struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None


def open_websocket(limpet, path="/ws", extra="", receive_buffer=None):
    sock = limpet.connect(receive_buffer=receive_buffer)
    sock.sendall(upgrade_request(path, extra=extra).encode())
    response, rest = read_head(sock)
    assert response.status == 101, response.first
    return sock, Frames(sock, rest)


def serve_echo(connection, head):
    """A WebSocket that echoes every message, and anything else with "ok"."""
    if "upgrade: websocket" not in head.lower():
        connection.sendall(answer())
        return None
    connection.sendall(UPGRADED)
    frames = Frames(connection)
    while True:
        got = frames.next()
        if got is None:
            return "close"
        opcode, payload = got
        connection.sendall(frame(10 if opcode == 9 else opcode, payload))
        if opcode == 8:
            return "close"


class BadInputTest(unittest.TestCase):
    """Starts and stops what a test needs."""

    def backend(self, serve=serve_ok, name="b1", port=0):
        backend = Backend(serve, name, port)
        self.addCleanup(backend.stop)
        return backend

    def limpet(self, backends, **settings):
        limpet = Limpet(backends, **settings)
        self.addCleanup(limpet.stop)
        return limpet


class Nowhere:
    """A backend that refuses connections."""

    def __init__(self, name="gone"):
        self.name, self.port = name, free_port()
