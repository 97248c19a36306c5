// SPDX-License-Identifier: Apache-2.0
// Socket.IO over three servers that share nothing, polling first and then upgraded, with and without cookies: a server that does not know
// a session says 400 "Session ID unknown", and not one such answer may reach a client: not at rest, and not while a server drains, dies
// by SIGKILL or returns. A relay in front of limpet reads every byte that goes to the clients and looks for it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { io } from 'socket.io-client';
import { startLimpet, until } from './limpet.mjs';

const program = fileURLToPath(new URL('socketio_server.mjs', import.meta.url));
let servers;
let limpet;
let witness;
let clients = [];

async function startServer(name, port = 0) {
  const child = spawn(process.execPath, [program, name, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = await once(child.stdout, 'data');
  return { name, child, port: Number(text.toString()) };
}

async function kill(server) {
  const gone = once(server.child, 'exit');
  server.child.kill('SIGKILL');
  await gone;
}

// Relays bytes to `port` and counts the answers that no client should see.
async function startWitness(port) {
  const seen = { unknown: 0, bad: [], answers: 0 };
  const server = net.createServer((down) => {
    const up = net.connect(port, '127.0.0.1');
    let tail = '';
    up.on('data', (bytes) => {
      const text = tail + bytes.toString('latin1');
      seen.answers += text.split('HTTP/1.1 ').length - tail.split('HTTP/1.1 ').length;
      seen.unknown += text.split('Session ID unknown').length - tail.split('Session ID unknown').length;
      for (const [line] of text.slice(Math.max(0, tail.length - 12)).matchAll(/HTTP\/1\.1 4\d\d/g)) seen.bad.push(line);
      tail = text.slice(-64);
      down.write(bytes);
    });
    down.on('data', (bytes) => up.write(bytes));
    for (const [from, to] of [[up, down], [down, up]]) {
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { seen, port: server.address().port, stop: () => server.close() };
}

function startClient(options) {
  const socket = io(`http://127.0.0.1:${witness.port}`, {
    forceNew: true,
    reconnectionDelay: 100,
    reconnectionDelayMax: 500,
    timeout: 5000,
    ...options,
  });
  const client = { socket, homes: [], said: 0, answered: 0, errors: [] };
  socket.on('home', (name) => client.homes.push(name));
  socket.on('connect_error', (error) => client.errors.push(error.message));
  client.timer = setInterval(() => {
    if (!socket.connected) return;
    ++client.said;
    socket.timeout(5000).emit('say', String(client.said), (error) => (client.answered += error ? 0 : 1));
  }, 200);
  return client;
}

const allConnected = () => clients.every(({ socket }) => socket.connected);
const kinds = [
  { name: 'upgraded, without cookies', options: {} },
  { name: 'upgraded, with cookies', options: { withCredentials: true } },
  { name: 'polling only, without cookies', options: { transports: ['polling'] } },
  { name: 'polling only, with cookies', options: { transports: ['polling'], withCredentials: true } },
];

async function talkFor(milliseconds) {
  const answered = clients.map((client) => client.answered);
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  clients.forEach((client, i) => assert.ok(client.answered > answered[i], `client ${i} was answered meanwhile`));
}

function assertNothingUnknown() {
  assert.equal(witness.seen.unknown, 0, 'a client was told "Session ID unknown"');
  assert.deepEqual(witness.seen.bad, []);
}

before(async () => {
  servers = await Promise.all(['a', 'b', 'c'].map((name) => startServer(name)));
  limpet = await startLimpet(servers, {
    proxy: 'crash_spread = "500ms"',
    pool: '[pool.affinity]\nlearn = ["engine.io"]\n[pool.health]\ninterval = "200ms"\nrise = 1\nfall = 2\n',
  });
  witness = await startWitness(limpet.port);
  for (let i = 0; i < 24; ++i) clients.push(startClient(kinds[i % kinds.length].options));
  await until('all connected', allConnected, 20000);
});

after(async () => {
  for (const client of clients) {
    clearInterval(client.timer);
    client.socket.disconnect();
  }
  witness.stop();
  await limpet.stop();
  await Promise.all(servers.map(kill));
});

test('the witness sees what it looks for', async () => {
  const direct = await startWitness(servers[0].port);
  const answer = await fetch(`http://127.0.0.1:${direct.port}/socket.io/?EIO=4&transport=polling&sid=nobody`);
  assert.equal(answer.status, 400);
  assert.equal(direct.seen.unknown, 1);
  assert.deepEqual(direct.seen.bad, ['HTTP/1.1 400']);
  direct.stop();
});

test('at rest every client stays with its server, and upgrades where it may', async () => {
  await talkFor(2000);
  assertNothingUnknown();
  assert.ok(witness.seen.answers > 100);
  assert.ok(new Set(clients.map(({ homes }) => homes[0])).size === 3, 'all servers are used');
  clients.forEach(({ homes }) => assert.equal(homes.length, 1, 'no reconnect'));
  clients.forEach(({ socket }, i) => {
    assert.equal(socket.io.engine.transport.name, kinds[i % kinds.length].options.transports ? 'polling' : 'websocket');
  });
});

test('while a server drains its clients move, the others stay', async () => {
  const leaving = clients.filter(({ homes }) => homes.at(-1) === 'a');
  const staying = clients.filter((client) => !leaving.includes(client)).map((client) => [client, client.homes.length]);
  assert.equal((await limpet.drain('a', { over: '2s', deadline: '20s' })).status, 202);
  await until('drained', async () => (await limpet.backend('a')).state === 'drained', 30000);
  await until('all moved', () => allConnected() && leaving.every(({ homes }) => homes.at(-1) !== 'a'), 20000);
  await talkFor(1500);
  assertNothingUnknown();
  staying.forEach(([client, count]) => assert.equal(client.homes.length, count, 'an untouched client reconnected'));
});

test('a server that returns takes new clients', async () => {
  assert.equal((await limpet.post('/v1/pools/main/backends/a/ready')).status, 200);
  const more = Array.from({ length: 12 }, (_, i) => startClient(kinds[i % kinds.length].options));
  clients.push(...more);
  await until('all connected', allConnected, 20000);
  await until('some are on it', () => more.some(({ homes }) => homes.at(-1) === 'a'));
  await talkFor(1500);
  assertNothingUnknown();
});

test('when a server is killed its clients start anew elsewhere, and it may come back', async () => {
  const victim = servers[1];
  const theirs = clients.filter(({ homes }) => homes.at(-1) === 'b');
  assert.ok(theirs.length > 0);
  await kill(victim);
  await until('all moved', () => allConnected() && theirs.every(({ homes }) => homes.at(-1) !== 'b'), 30000);
  await talkFor(1500);
  assertNothingUnknown();

  servers[1] = await startServer('b', victim.port);
  await until('up again', async () => (await limpet.backend('b')).health === 'up');
  await talkFor(1500);
  const more = Array.from({ length: 12 }, (_, i) => startClient(kinds[i % kinds.length].options));
  clients.push(...more);
  await until('some are on it', () => more.some(({ homes }) => homes.at(-1) === 'b'), 20000);
  await talkFor(1500);
  assertNothingUnknown();
});
