// SPDX-License-Identifier: Apache-2.0
// Starts limpet and small real backends for the end-to-end tests; everything on loopback, stopped with the test.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { WebSocketServer } from 'ws';

export async function until(what, check, limit = 10000) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Below what the kernel gives to outgoing connections, and each process in a part of its own: several tests may run at once.
let nextPort = 10000 + (process.pid % 200) * 100;

export async function freePort() {
  for (;;) {
    const port = nextPort;
    nextPort = port < 29999 ? port + 1 : 10000;
    const server = net.createServer();
    const listening = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!listening) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

// A backend that speaks WebSocket (echo), Server-Sent Events, long polls and plain HTTP, and says its name.
export async function startBackend(name) {
  const seen = { closes: [], messages: [], requests: [] };
  const server = http.createServer((request, response) => {
    seen.requests.push(request.url);
    response.setHeader('X-Backend', name);
    if (request.url.startsWith('/events')) {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      let id = Number(request.headers['last-event-id'] ?? 0);
      const timer = setInterval(() => response.write(`id: ${++id}\ndata: ${name}\n\n`), 50);
      request.on('close', () => clearInterval(timer));
      return;
    }
    if (request.url.startsWith('/poll')) {
      setTimeout(() => response.end(name), 1500);
      return;
    }
    let size = 0;
    request.on('data', (bytes) => (size += bytes.length));
    request.on('end', () => response.end(`${name} ${size}`));
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: true });
  sockets.on('connection', (socket) => {
    socket.send(`hello from ${name}`);
    socket.on('message', (data, isBinary) => {
      seen.messages.push(data.toString());
      socket.send(data, { binary: isBinary });
    });
    socket.on('close', (code) => seen.closes.push(code));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    name,
    seen,
    port: server.address().port,
    ping: () => sockets.clients.forEach((socket) => socket.ping('from the backend')),
    stop: () => {
      server.closeAllConnections();
      for (const socket of sockets.clients) socket.terminate();
      server.close();
    },
  };
}

// `settings` is TOML for the one route and pool; backends are { name, port }.
export async function startLimpet(backends, { proxy = '', listener = '', route = '', pool = '' } = {}) {
  const directory = mkdtempSync(path.join(tmpdir(), 'limpet-test-'));
  const port = await freePort();
  const admin = await freePort();
  const file = path.join(directory, 'limpet.toml');
  writeFileSync(
    file,
    `[proxy]\nworkers = 2\nio = "${process.env.LIMPET_IO ?? 'epoll'}"\ndrain_delay = "100ms"\n${proxy}\n[admin]\nsocket = "${directory}/admin.sock"\n` +
      `address = "127.0.0.1:${admin}"\n[[listener]]\nname = "web"\naddress = "127.0.0.1:${port}"\n${listener}\n` +
      `[[route]]\npath = "/"\npool = "main"\n${route}\n[[pool]]\nname = "main"\n${pool}\n` +
      backends.map((b) => `[[pool.backend]]\nname = "${b.name}"\naddress = "127.0.0.1:${b.port}"\nweight = ${b.weight ?? 1}\n`).join(''),
  );
  const child = spawn(process.env.LIMPET_BINARY, ['run', '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (text) => (log += text));
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  const api = (where, options) => fetch(`http://127.0.0.1:${admin}${where}`, options);
  const post = (where, body = {}) =>
    api(where, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  await until('limpet is ready', () => api('/readyz').then((r) => r.ok, () => false));
  return {
    port,
    child,
    api,
    post,
    url: `http://127.0.0.1:${port}`,
    metrics: `http://127.0.0.1:${admin}/metrics`,
    ws: `ws://127.0.0.1:${port}`,
    log: () => log,
    drain: (backend, body) => post(`/v1/pools/main/backends/${backend}/drain`, body),
    backend: async (name) => (await (await api('/v1/pools/main')).json()).backends.find((b) => b.name === name),
    stop: async () => {
      child.kill('SIGTERM');
      child.kill('SIGTERM');
      const code = await exited;
      rmSync(directory, { recursive: true, force: true });
      return code;
    },
    exited,
  };
}
