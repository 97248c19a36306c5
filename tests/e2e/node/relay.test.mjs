// SPDX-License-Identifier: Apache-2.0
// The sticky proxy with real clients: ws, eventsource, fetch.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';
import { startBackend, startLimpet, until } from './limpet.mjs';

let backends;
let limpet;

before(async () => {
  backends = await Promise.all(['a', 'b', 'c'].map(startBackend));
  limpet = await startLimpet(backends, {
    proxy: 'drain_over = "1s"',
    route: '[route.sse]\nretry = "50ms"\nretry_jitter = "100ms"\n[route.http]\nrequest_header_timeout = "1s"',
    pool: '[pool.affinity]\nkeys = ["query:user"]',
  });
});

after(async () => {
  assert.equal(await limpet.stop(), 0, limpet.log());
  backends.forEach((backend) => backend.stop());
});

function open(user) {
  const socket = new WebSocket(`${limpet.ws}/ws?user=${user}`);
  socket.received = [];
  socket.on('message', (data) => socket.received.push(data));
  socket.ended = new Promise((resolve) => socket.once('close', (code) => resolve(code)));
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function backendOf(user) {
  return (await fetch(`${limpet.url}/who?user=${user}`)).headers.get('x-backend');
}

function raw(text) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(limpet.port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (bytes) => (answer += bytes));
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

test('a websocket echoes text, binary and a megabyte, compressed, and its close code passes', async () => {
  const socket = await open('echo');
  socket.send('text');
  socket.send(Buffer.from([1, 2, 3]));
  const large = Buffer.alloc(1 << 20, 'x');
  socket.send(large);
  await until('the echoes', () => socket.received.length === 4);
  assert.equal(socket.received[1].toString(), 'text');
  assert.deepEqual([...socket.received[2]], [1, 2, 3]);
  assert.ok(socket.received[3].equals(large));
  socket.close(4001, 'bye');
  assert.equal(await socket.ended, 4001);
  await until('the backend sees the code', () => backends.some((b) => b.seen.closes.includes(4001)));
});

test('all protocols of a key meet on one backend', async () => {
  for (let i = 0; i < 20; ++i) {
    const user = `together-${i}`;
    const home = await backendOf(user);
    const socket = await open(user);
    await until('the greeting', () => socket.received.length > 0);
    assert.equal(socket.received[0].toString(), `hello from ${home}`);
    socket.close();
  }
});

test('a drain ends every websocket by 1012, paced, and the key comes home elsewhere', async () => {
  const users = Array.from({ length: 90 }, (_, i) => `drained-${i}`);
  const sockets = await Promise.all(users.map(open));
  await until('all greetings', () => sockets.every((s) => s.received.length > 0));
  const on = (name) => sockets.filter((s) => s.received[0].toString() === `hello from ${name}`);
  const leaving = on('b');
  const staying = sockets.filter((s) => !leaving.includes(s));
  assert.ok(leaving.length > 5);
  const ends = [];
  leaving.forEach((s) => s.ended.then(() => ends.push(Date.now())));
  leaving.forEach((s, i) => s.send(`last words ${i}`));
  assert.equal((await limpet.drain('b', { over: '2s', deadline: '10s' })).status, 202);
  assert.deepEqual([...new Set(await Promise.all(leaving.map((s) => s.ended)))], [1012]);
  assert.ok(Math.max(...ends) - Math.min(...ends) > 1000, 'the ends are spread');
  await until('drained', async () => (await limpet.backend('b')).state === 'drained');
  leaving.forEach((_, i) => assert.ok(backends[1].seen.messages.includes(`last words ${i}`)));
  assert.ok(staying.every((s) => s.readyState === WebSocket.OPEN));
  for (const [i, user] of users.entries()) {
    if (leaving.includes(sockets[i])) assert.notEqual(await backendOf(user), 'b');
  }
  staying.forEach((s) => s.close());
  assert.equal((await limpet.post('/v1/pools/main/backends/b/ready')).status, 200);
});

test('an EventSource lives through a drain and misses and doubles no id', async () => {
  const ids = [];
  const homes = [];
  const source = new EventSource(`${limpet.url}/events?user=stream`);
  source.onmessage = (event) => {
    ids.push(Number(event.lastEventId));
    homes.push(event.data);
  };
  await until('events', () => ids.length > 3);
  const home = homes[0];
  await limpet.drain(home, { over: '200ms', deadline: '10s' });
  await until('events from another backend', () => homes.at(-1) !== home && ids.length > 10);
  source.close();
  assert.deepEqual(ids, ids.map((_, i) => i + 1));
  await until('drained', async () => (await limpet.backend(home)).state === 'drained');
  await limpet.post(`/v1/pools/main/backends/${home}/ready`);
});

test('a long poll in flight is answered by its backend across a drain', async () => {
  const home = await backendOf('poller');
  const poll = fetch(`${limpet.url}/poll?user=poller`);
  await until('the poll is open', async () => (await (await limpet.api('/v1/sessions')).json()).sessions.length > 0);
  await limpet.drain(home, { over: '100ms', deadline: '10s' });
  assert.equal(await (await poll).text(), home);
  await until('drained', async () => (await limpet.backend(home)).state === 'drained');
  assert.notEqual(await backendOf('poller'), home);
  await limpet.post(`/v1/pools/main/backends/${home}/ready`);
});

test('malformed requests are refused and never forwarded', async () => {
  const before = backends.reduce((sum, b) => sum + b.seen.requests.length, 0);
  for (const [text, status] of [
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', '400'],
    ['GET / HTTP/1.1\nHost: a\n\n', '400'],
    ['GET / HTTP/1.1\r\nHost : a\r\n\r\n', '400'],
    ['GET / HTTP/1.1\r\n\r\n', '400'],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(70000)}\r\n\r\n`, '431'],
    ['GET / HTTP/1.1\r\nHost: a\r\nX: slow', '408'],
    ['GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n' +
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nConnection: close\r\n\r\n', '426'],
  ]) {
    assert.match(await raw(text), new RegExp(`^HTTP/1.1 ${status} `), text.slice(0, 80));
  }
  assert.equal(backends.reduce((sum, b) => sum + b.seen.requests.length, 0), before);
});

test('the metrics count sessions, closes and picks', async () => {
  const text = await (await limpet.api('/metrics')).text();
  assert.match(text, /limpet_websocket_closes_total\{[^}]*by="limpet"[^}]*\} \d+/);
  assert.match(text, /limpet_sessions\{[^}]*protocol="websocket"[^}]*\} 0/);
  assert.match(text, /limpet_picks_total\{[^}]*reason="live"[^}]*\} [1-9]/);
});
