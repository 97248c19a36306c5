// SPDX-License-Identifier: Apache-2.0
// Corners of HTTP and of leaving, each found by attack: what must be answered, refused or given back, and is counted.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import WebSocket, { WebSocketServer } from 'ws';
import { freePort, startBackend, startLimpet, until } from './limpet.mjs';

async function serve(handler) {
  const server = http.createServer(handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket));
  return { name: 'a', port: server.address().port, sockets, stop };
}

async function serveRaw(onData) {
  const server = net.createServer((socket) => {
    socket.on('data', (bytes) => onData(socket, bytes.toString()));
    socket.on('error', () => {});
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { name: 'a', port: server.address().port, stop: () => server.close() };
}

async function connections(limpet) {
  const text = await (await limpet.api('/metrics')).text();
  return Number(/^limpet_connections (\d+)/m.exec(text)[1]);
}

function talk(limpet, text, { end = false } = {}) {
  const socket = net.connect(limpet.port, '127.0.0.1', () => (end ? socket.end(text) : socket.write(text)));
  socket.answer = '';
  socket.on('data', (bytes) => (socket.answer += bytes));
  socket.on('error', () => {});
  socket.ended = new Promise((resolve) => socket.once('close', resolve));
  return socket;
}

test('an http check asks for an address that its server knows, and waits for more than interim answers', async () => {
  for (const [host, known] of [['', (backend) => `127.0.0.1:${backend.port}`], ['chat.example:8080', () => 'chat.example:8080']]) {
    const hosts = [];
    const backend = await serveRaw((socket, text) => {
      hosts.push(/^Host: (.*)\r$/m.exec(text)[1]);
      socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n');
      setTimeout(() => socket.write(`\r\nHTTP/1.1 ${hosts.length > 3 ? 503 : 200} X\r\nContent-Length: 0\r\n\r\n`), 20);
    });
    const limpet = await startLimpet([backend], {
      pool: `[pool.health]\ncheck = "http"\nhost = "${host}"\ninterval = "100ms"\nfall = 1`,
    });
    await until('three checks', () => hosts.length >= 3);
    assert.equal((await limpet.backend('a')).health, 'up');
    assert.deepEqual([...new Set(hosts)], [known(backend)]);
    await until('the answer behind the interim ones counts', async () => (await limpet.backend('a')).health === 'down');
    await limpet.stop();
    backend.stop();
  }
});

test('a status beyond 599 is none: 502', async () => {
  const backend = await serveRaw((socket) => socket.write('HTTP/1.1 999 Denied\r\nContent-Length: 2\r\n\r\nno'));
  const limpet = await startLimpet([backend]);
  const socket = talk(limpet, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await socket.ended;
  assert.match(socket.answer, /^HTTP\/1.1 502 /);
  await limpet.stop();
  backend.stop();
});

test('an upload of megabytes passes over a fresh connection', async () => {
  const backend = await startBackend('a');
  const limpet = await startLimpet([backend], { pool: 'keepalive_connections = 0' });
  for (const size of [140_000, 1_000_000, 5_000_000]) {
    const response = await fetch(`${limpet.url}/`, { method: 'POST', body: Buffer.alloc(size, 'u') });
    assert.equal(await response.text(), `a ${size}`);
  }
  await limpet.stop();
  backend.stop();
});

test('clients that leave in mid-body leave no connection behind', async () => {
  const backend = await startBackend('a');
  const limpet = await startLimpet([backend]);
  const sockets = Array.from({ length: 20 }, () =>
    talk(limpet, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf', { end: true }));
  await Promise.all(sockets.map((socket) => socket.ended));
  await until('all are given back', async () => (await connections(limpet)) === 0);
  await limpet.stop();
  backend.stop();
});

test('a request with Content-Length: 0 is complete, and its connection goes on', async () => {
  const backend = await startBackend('a');
  const limpet = await startLimpet([backend]);
  const post = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
  const socket = talk(limpet, post + post, { end: true });
  await socket.ended;
  assert.equal(socket.answer.match(/HTTP\/1.1 200 OK/g).length, 2);
  await limpet.stop();
  backend.stop();
});

test('sessions that found no backend do not count against their client for good', async () => {
  const limpet = await startLimpet([{ name: 'gone', port: await freePort() }], {
    proxy: '',
    pool: '[pool.health]\ncheck = "tcp"\ninterval = "100ms"\nfall = 1',
    listener: '[listener.limits]\nsessions = 3',
  });
  await until('down', async () => (await limpet.backend('gone')).health === 'down');
  for (let i = 0; i < 8; ++i) assert.equal((await fetch(`${limpet.url}/`)).status, 503);
  await limpet.stop();
});

test('a client that pipelines requests and reads nothing is not answered without end', async () => {
  const backend = await startBackend('a');
  const limpet = await startLimpet([backend]);
  const one = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 8\r\n\r\n';
  const greedy = net.connect(limpet.port, '127.0.0.1');
  greedy.pause();
  greedy.on('error', () => {});
  let sent = 0;
  const many = one.repeat(500);
  await until('it is no longer read', () => {
    for (let i = 0; i < 20 && greedy.writableLength < 4e6; ++i) {
      greedy.write(many);
      sent += many.length;
    }
    return greedy.writableLength > 3e6;
  });
  const text = await (await limpet.api('/metrics')).text();
  assert.ok(Number(/^limpet_buffered_bytes (\d+)/m.exec(text)[1]) < 2e6, text.match(/^limpet_buffered.*/m)[0]);
  greedy.destroy();
  await limpet.stop();
  backend.stop();
});

test('a backend that says more than its bodyless answer is not trusted with the next request', async () => {
  const backend = await serveRaw((socket) =>
    socket.write('HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'));
  const limpet = await startLimpet([backend]);
  for (let i = 0; i < 5; ++i) assert.equal((await fetch(`${limpet.url}/`)).status, 204);
  await limpet.stop();
  backend.stop();
});

test('HTTP/1.0 without a Host reaches the backend as a valid HTTP/1.1 request', async () => {
  let host;
  const backend = await serve((request, response) => {
    host = request.headers.host;
    response.end('ok');
  });
  const limpet = await startLimpet([backend]);
  const socket = talk(limpet, 'GET / HTTP/1.0\r\n\r\n');
  await socket.ended;
  assert.match(socket.answer, /^HTTP\/1.1 200 /);
  assert.ok(host.length > 0);
  await limpet.stop();
  backend.stop();
});

test('a head whose body has yet to come passes at once, and to its own client', async () => {
  const bodies = new Map();
  const backend = await serve((request, response) => {
    const name = request.url.slice(1);
    response.setHeader('X-Name', name);
    if (!name.startsWith('late')) return response.end(`for ${name}`);
    if (name.endsWith('length')) response.setHeader('Content-Length', `for ${name}`.length);
    response.flushHeaders();
    bodies.set(name, () => response.end(`for ${name}`));
  });
  const limpet = await startLimpet([backend]);
  const ask = (name) => fetch(`${limpet.url}/${name}`, { signal: AbortSignal.timeout(5000) });
  try {
    for (const name of ['late-length', 'late-chunked']) {
      const late = await ask(name); // resolves with the head
      assert.equal(late.headers.get('x-name'), name);
      const other = await ask('other');
      assert.equal(other.headers.get('x-name'), 'other');
      assert.equal(await other.text(), 'for other');
      bodies.get(name)();
      assert.equal(await late.text(), `for ${name}`);
    }
  } finally {
    await limpet.stop();
    backend.stop();
  }
});

test('small writes of a backend that keeps Nagle are not held up', async () => {
  const backend = await serveRaw((socket) => {
    for (const text of ['HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n', 'abc', 'def']) socket.write(text);
  });
  const limpet = await startLimpet([backend], { pool: 'keepalive_connections = 0' });
  let best = Infinity; // of several, each over a connection of its own: the kernel puts off acknowledgements by 40 ms
  for (let i = 0; i < 10; i++) {
    const began = performance.now();
    assert.equal(await (await fetch(limpet.url)).text(), 'abcdef');
    best = Math.min(best, performance.now() - began);
  }
  assert.ok(best < 30, `took ${best} ms`);
  await limpet.stop();
  backend.stop();
});

test('a body goes on to a backend that answers before it has read it', async () => {
  const backend = await serve((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    response.write('early ');
    let size = 0;
    request.pause();
    request.on('data', (bytes) => (size += bytes.length));
    request.on('end', () => response.end(`${size}`));
    request.socket.once('resumed', () => request.resume());
  });
  const limpet = await startLimpet([backend]);
  try {
    const size = 24 * 1024 * 1024; // more than sockets and high_water hold
    const answer = await new Promise((resolve, reject) => {
      const request = http.request({ port: limpet.port, method: 'POST', headers: { 'Content-Length': size } }, (response) => {
        let text = '';
        response.on('data', (bytes) => {
          text += bytes;
          backend.sockets.forEach((socket) => socket.emit('resumed')); // the head has come: all is full by now
        });
        response.on('end', () => resolve(text));
      });
      request.on('error', reject);
      request.setTimeout(15000, () => reject(new Error('the body stands still')));
      request.end(Buffer.alloc(size, 'x'));
    });
    assert.equal(answer, `early ${size}`);
  } finally {
    await limpet.stop();
    backend.stop();
  }
});

test('while the process leaves, kept connections are answered with Connection: close and upgrades with 503', async () => {
  const backend = await startBackend('a');
  const limpet = await startLimpet([backend], { proxy: 'drain_over = "2s"' });
  const holder = new WebSocket(`${limpet.ws}/`);
  await new Promise((resolve) => holder.once('open', resolve));
  const kept = talk(limpet, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const upgrading = talk(limpet, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await until('the first answers', () => kept.answer.includes('a 0') && upgrading.answer.includes('a 0'));
  const codes = new Promise((resolve) => holder.once('close', resolve));
  limpet.child.kill('SIGTERM');
  await until('the listener is closed', () =>
    new Promise((resolve) => {
      const probe = net.connect(limpet.port, '127.0.0.1');
      probe.once('connect', () => (probe.destroy(), resolve(false)));
      probe.once('error', () => resolve(true));
    }));
  kept.answer = upgrading.answer = '';
  kept.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  upgrading.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n');
  await Promise.all([kept.ended, upgrading.ended]);
  assert.match(kept.answer, /^HTTP\/1.1 200 OK\r\n[^]*Connection: close\r\n/);
  assert.match(upgrading.answer, /^HTTP\/1.1 503 [^]*Retry-After/);
  assert.equal(await codes, 1012);
  assert.equal(await limpet.exited, 0);
  backend.stop();
});

test('while the process leaves, neither ready nor drain changes what goes on', async () => {
  const backends = await Promise.all(['a', 'b'].map(startBackend));
  const limpet = await startLimpet(backends, { proxy: 'drain_over = "1s"' });
  const sockets = [];
  for (let i = 0; i < 4; ++i) {
    const socket = new WebSocket(`${limpet.ws}/`);
    sockets.push(new Promise((resolve) => socket.once('close', resolve)));
    await new Promise((resolve) => socket.once('open', resolve));
  }
  limpet.child.kill('SIGTERM');
  await until('not ready', async () => (await limpet.api('/readyz')).status === 503);
  for (const order of ['ready', 'drain']) {
    const refused = await limpet.post(`/v1/pools/main/backends/a/${order}`);
    assert.equal(refused.status, 409, order);
    assert.match((await refused.json()).error, /leaving/);
  }
  assert.deepEqual([...new Set(await Promise.all(sockets))], [1012]);
  assert.equal(await limpet.exited, 0);
  backends.forEach((backend) => backend.stop());
});

test('SIGTERM during a soft drain still says goodbye', async () => {
  const backends = await Promise.all(['a', 'b'].map(startBackend));
  const limpet = await startLimpet(backends, { proxy: 'drain_over = "300ms"\ndrain_deadline = "5s"' });
  const sockets = [];
  for (let i = 0; i < 4; ++i) {
    const socket = new WebSocket(`${limpet.ws}/`);
    sockets.push(new Promise((resolve) => socket.once('close', resolve)));
    await new Promise((resolve) => socket.once('open', resolve));
  }
  assert.equal((await limpet.drain('a', { soft: true })).status, 202);
  limpet.child.kill('SIGTERM');
  assert.deepEqual([...new Set(await Promise.all(sockets))], [1012]);
  assert.equal(await limpet.exited, 0);
  backends.forEach((backend) => backend.stop());
});

test('an encoded event stream that was told to leave before it began just ends', async () => {
  const asked = [];
  const one = () => serveRaw((socket) => asked.push(socket));
  const backends = [{ ...(await one()), name: 'a' }, { ...(await one()), name: 'b' }];
  const limpet = await startLimpet(backends);
  const client = talk(limpet, 'GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
  await until('a backend is asked', () => asked.length === 1);
  const home = backends.find((backend) => backend.port === asked[0].localPort).name;
  await limpet.drain(home, { over: '100ms', deadline: '1m' });
  await until('its turn has come', async () => (await limpet.backend(home)).drain.elapsed_s > 0.5);
  asked[0].write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n');
  await until('its end', () => client.answer.endsWith('\r\n\r\n0\r\n\r\n'));
  await until('the drain is done', async () => (await limpet.backend(home)).state === 'drained');
  client.destroy();
  await limpet.stop();
  backends.forEach((backend) => backend.stop());
});

test('who stands in mid-frame when its time is over is cut, and the drain says so', async () => {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket._socket.write(Buffer.from([0x82, 100, 1, 2, 3]))); // and no more
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const backend = { name: 'a', port: server.address().port };
  const limpet = await startLimpet([backend], { route: '[route.websocket]\nclose_timeout = "500ms"' });
  const command = (...words) =>
    new Promise((resolve) => execFile(process.env.LIMPET_BINARY, words, (error) => resolve(error ? error.code : 0)));
  try {
    const client = new WebSocket(limpet.ws);
    client.on('error', () => {});
    const closed = new Promise((resolve) => client.once('close', resolve));
    await new Promise((resolve) => client.once('open', resolve));
    const code = await command('drain', 'a', '--force', '--over', '0s', '--deadline', '1m', '--admin', limpet.metrics.replace('/metrics', ''));
    assert.equal(code, 2);
    assert.equal(await closed, 1006);
    const text = await (await limpet.api('/metrics')).text();
    assert.match(text, /^limpet_drain_sessions_cut_total\{.*backend="a".*\} 1$/m);
  } finally {
    await limpet.stop();
    sockets.close();
    server.closeAllConnections();
    server.close();
  }
});

test('the deadline of a drain waits while it is paused', async () => {
  const backends = await Promise.all(['a', 'b'].map(startBackend));
  const limpet = await startLimpet(backends, { pool: '[pool.affinity]\nkeys = ["query:user"]' });
  const sockets = [];
  for (let i = 0; i < 20; ++i) {
    const socket = new WebSocket(`${limpet.ws}/?user=${i}`);
    socket.once('message', (data) => (socket.home = data.toString()));
    socket.once('close', (code) => (socket.code = code));
    sockets.push(socket);
  }
  await until('all greetings', () => sockets.every((socket) => socket.home));
  await limpet.drain('a', { over: '1s', deadline: '1500ms' });
  const path = '/v1/pools/main/backends/a/drain';
  assert.ok((await limpet.post(path, { action: 'pause' })).ok);
  await until('the pause outlasts the deadline', async () => (await limpet.backend('a')).drain.elapsed_s > 1.8);
  assert.ok((await limpet.post(path, { action: 'resume' })).ok);
  const theirs = sockets.filter((socket) => socket.home === 'hello from a');
  await until('all have left', () => theirs.every((socket) => socket.code));
  assert.ok(theirs.every((socket) => socket.code === 1012));
  sockets.forEach((socket) => socket.close());
  await limpet.stop();
  backends.forEach((backend) => backend.stop());
});

test('a client that is gone and owes a Pong is found all the same', async () => {
  const backend = await startBackend('a');
  const limpet = await startLimpet([backend], { route: '[route.websocket]\nping_interval = "300ms"' });
  const dead = talk(limpet, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n');
  await until('open', () => dead.answer.includes('hello from a'));
  backend.ping();
  await until('the backend is told', () => backend.seen.closes.includes(1001), 3000);
  dead.destroy();
  await limpet.stop();
  backend.stop();
});
