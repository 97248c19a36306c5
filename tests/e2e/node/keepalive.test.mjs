// SPDX-License-Identifier: Apache-2.0
// Kept alive: Pings to silent peers with their Pongs swallowed, dead peers found, comments on silent event streams; and health:
// a backend that is down takes no new keys and is taken back.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import WebSocket, { WebSocketServer } from 'ws';
import { freePort, startBackend, startLimpet, until } from './limpet.mjs';

async function silentBackend() {
  const seen = { pings: 0, pongs: 0 };
  const server = http.createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const parts = ['data: ha', 'lf\n', 'data: whole\n', '\n'];
    request.on('close', () => clearInterval(timer));
    const timer = setInterval(() => parts.length > 0 && response.write(parts.shift()), 400);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    seen.socket = socket;
    socket.on('ping', () => ++seen.pings);
    socket.on('pong', () => ++seen.pongs);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    sockets.clients.forEach((socket) => socket.terminate());
    server.closeAllConnections();
    server.close();
  };
  return { name: 'silent', port: server.address().port, seen, stop };
}

async function closedBy(limpet, reason) {
  const text = await (await limpet.api('/metrics')).text();
  const line = text.split('\n').find((l) => l.startsWith('limpet_sessions_closed_total') && l.includes(`"${reason}"`));
  return line ? Number(line.split(' ').at(-1)) : 0;
}

test('silent peers are pinged and their answers swallowed; the pings of a peer pass and are answered by the other', async () => {
  const backend = await silentBackend();
  const limpet = await startLimpet([backend], { route: '[route.websocket]\nping_interval = "200ms"' });
  const socket = new WebSocket(`${limpet.ws}/`);
  let pings = 0;
  const pongs = [];
  socket.on('ping', () => ++pings);
  socket.on('pong', (payload) => pongs.push(payload.toString()));
  await new Promise((resolve) => socket.once('open', resolve));
  await until('pings on both sides', () => pings > 3 && backend.seen.pings > 3);
  assert.equal(backend.seen.pongs, 0);
  assert.deepEqual(pongs, []);
  socket.ping('mine');
  await until('the backend answers', () => pongs.includes('mine'));
  backend.seen.socket.ping('theirs');
  await until('the client answers', () => backend.seen.pongs === 1);
  assert.equal(socket.readyState, WebSocket.OPEN);
  const metrics = await (await limpet.api('/metrics')).text();
  assert.match(metrics, /limpet_ping_rtt_seconds_count\{[^}]*side="client"[^}]*\} [1-9]/);
  assert.match(metrics, /limpet_ping_rtt_seconds_count\{[^}]*side="backend"[^}]*\} [1-9]/);
  socket.close();
  await limpet.stop();
  backend.stop();
});

test('a dead client is found within two intervals, and its backend is told 1001', async () => {
  const backend = await startBackend('a');
  const limpet = await startLimpet([backend], { route: '[route.websocket]\nping_interval = "300ms"' });
  const dead = net.connect(limpet.port, '127.0.0.1');
  dead.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n');
  const began = Date.now();
  await until('the backend is told', () => backend.seen.closes.includes(1001), 3000);
  assert.ok(Date.now() - began < 1500);
  await until('it is booked', async () => (await closedBy(limpet, 'idle_timeout')) === 1);
  dead.destroy();
  await limpet.stop();
  backend.stop();
});

test('a dead backend is found, and the client gets 1001', async () => {
  const deaf = net.createServer((socket) => {
    socket.once('data', (head) => {
      const key = /sec-websocket-key: (\S+)/i.exec(head.toString())[1];
      import('node:crypto').then(({ createHash }) => {
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
      });
    });
    socket.on('error', () => {});
  });
  await new Promise((resolve) => deaf.listen(0, '127.0.0.1', resolve));
  const limpet = await startLimpet([{ name: 'deaf', port: deaf.address().port }], {
    route: '[route.websocket]\nping_interval = "300ms"',
  });
  const socket = new WebSocket(`${limpet.ws}/`);
  assert.equal(await new Promise((resolve) => socket.once('close', resolve)), 1001);
  await limpet.stop();
  deaf.close();
});

test('a silent event stream gets comments that change no event, also within one', async () => {
  const backend = await silentBackend();
  const limpet = await startLimpet([backend], { route: '[route.sse]\nheartbeat = "150ms"' });
  const response = await fetch(`${limpet.url}/`, { headers: { Accept: 'text/event-stream' } });
  let text = '';
  const reader = response.body.getReader();
  await until('event and comments', async () => {
    text += Buffer.from((await reader.read()).value).toString();
    return text.includes('data: whole\n') && /\n\n:\n\n$/.test(text);
  });
  await reader.cancel();
  const lines = text.split('\n').filter((line) => !line.startsWith(':'));
  assert.ok(text.includes('data: half\n:\n'), 'a comment stands at a line start within the event');
  assert.ok(lines.join('\n').replace(/\n{2,}/g, '\n\n').includes('data: half\ndata: whole\n\n'));
  await limpet.stop();
  backend.stop();
});

test('a backend that fails its checks takes no new keys, keeps its open sessions, and is taken back', async () => {
  let well = true;
  const port = await freePort();
  const server = http.createServer((request, response) => {
    if (request.url === '/healthz') response.statusCode = well ? 200 : 500;
    response.setHeader('X-Backend', 'moody');
    response.end();
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const steady = http.createServer((request, response) => {
    response.setHeader('X-Backend', 'steady');
    response.end();
  });
  await new Promise((resolve) => steady.listen(0, '127.0.0.1', resolve));
  const limpet = await startLimpet([{ name: 'moody', port }, { name: 'steady', port: steady.address().port }], {
    pool: 'linger = "0s"\n[pool.affinity]\nkeys = ["query:user"]\n' +
      '[pool.health]\ncheck = "http"\ninterval = "100ms"\nrise = 2\nfall = 2',
  });
  const home = async (user) => (await fetch(`${limpet.url}/?user=${user}`)).headers.get('x-backend');
  let user = 0;
  while ((await home(user)) !== 'moody') ++user;
  let other = user + 1;
  while ((await home(other)) !== 'moody') ++other;
  const socket = new WebSocket(`${limpet.ws}/?user=${user}`);
  await new Promise((resolve) => socket.once('open', resolve));
  well = false;
  await until('down', async () => (await limpet.backend('moody')).health === 'down');
  assert.equal(await home(other), 'steady');
  const echo = new Promise((resolve) => socket.once('message', resolve));
  socket.send('still here');
  assert.equal((await echo).toString(), 'still here');
  well = true;
  await until('up', async () => (await limpet.backend('moody')).health === 'up');
  await until('it takes its keys back', async () => (await home(other)) === 'moody');
  socket.close();
  await limpet.stop();
  server.closeAllConnections();
  server.close();
  steady.closeAllConnections();
  steady.close();
});
