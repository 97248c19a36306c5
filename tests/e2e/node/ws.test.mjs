// SPDX-License-Identifier: Apache-2.0
// The ws library on both sides of limpet: fragments, pings, subprotocols, close codes in both directions, refusals, handshakes that are
// followed by bytes at once. Every backend here says what it saw, so that nothing is judged from one side only.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import WebSocket, { WebSocketServer } from 'ws';
import { startLimpet, until } from './limpet.mjs';

let backend;
let limpet;

// A backend whose last socket the test can reach; it takes the subprotocol "chat" and none else.
async function startPlainBackend() {
  const server = http.createServer((_, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: true,
    handleProtocols: (protocols) => (protocols.has('chat') ? 'chat' : false),
  });
  const state = { server, sockets, last: null, codes: new Map(), received: [] };
  server.on('upgrade', (request, socket, head) => {
    if (request.url.startsWith('/forbidden')) {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nX-Why: because\r\n\r\nnope');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => {
      state.last = ws;
      ws.on('message', (data, isBinary) => {
        state.received.push(data.toString());
        ws.send(data, { binary: isBinary });
      });
      ws.on('close', (code, reason) => state.codes.set(request.url, `${code} ${reason}`));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  state.name = 'only';
  state.port = server.address().port;
  return state;
}

before(async () => {
  backend = await startPlainBackend();
  limpet = await startLimpet([backend]);
});

after(async () => {
  await limpet.stop();
  backend.server.closeAllConnections();
  backend.server.close();
});

async function open(path = '/', protocols = [], options = {}) {
  const socket = new WebSocket(`${limpet.ws}${path}`, protocols, options);
  socket.received = [];
  socket.on('message', (data, isBinary) => socket.received.push(isBinary ? data : data.toString()));
  socket.ended = once(socket, 'close').then(([code, reason]) => `${code} ${reason}`);
  await once(socket, 'open');
  return socket;
}

test('a message in fragments arrives as one, with pings answered in between', async () => {
  for (const perMessageDeflate of [true, false]) {
    const socket = await open('/', [], { perMessageDeflate });
    const pong = once(socket, 'pong');
    socket.send('one ', { fin: false });
    socket.ping('between');
    socket.send('two ', { fin: false });
    socket.send('three', { fin: true });
    await until('the echo', () => socket.received.length === 1);
    assert.equal(socket.received[0], 'one two three');
    assert.equal((await pong)[0].toString(), 'between');
    socket.terminate();
  }
});

test('fragments from the backend arrive as one message', async () => {
  const socket = await open();
  backend.last.send('a', { fin: false });
  backend.last.ping();
  backend.last.send('b', { fin: true });
  await until('the message', () => socket.received[0] === 'ab');
  socket.terminate();
});

test('permessage-deflate is negotiated end to end, and declined end to end', async () => {
  const compressed = await open();
  assert.match(compressed.extensions, /permessage-deflate/);
  const plain = await open('/', [], { perMessageDeflate: false });
  assert.equal(plain.extensions, '');
  const text = 'limpet '.repeat(200000);
  for (const socket of [compressed, plain]) {
    socket.send(text);
    socket.send(Buffer.alloc(1 << 20, 7));
    await until('both echoes', () => socket.received.length === 2);
    assert.equal(socket.received[0], text);
    assert.ok(Buffer.alloc(1 << 20, 7).equals(socket.received[1]));
    socket.terminate();
  }
});

test('the subprotocol that the backend chose reaches the client', async () => {
  const socket = await open('/', ['other', 'chat']);
  assert.equal(socket.protocol, 'chat');
  socket.terminate();
});

test('close codes and reasons pass from the client to the backend', async () => {
  for (const [code, reason] of [[1000, 'done'], [3001, ''], [4999, 'über']]) {
    const socket = await open(`/closes-${code}`);
    socket.close(code, reason);
    await socket.ended;
    await until('the backend saw it', () => backend.codes.has(`/closes-${code}`));
    assert.equal(backend.codes.get(`/closes-${code}`), `${code} ${reason}`);
  }
});

test('close codes and reasons pass from the backend to the client', async () => {
  for (const [code, reason] of [[1000, ''], [1001, 'going'], [1008, 'policy'], [1011, 'oops'], [1013, 'later'], [4000, 'mine']]) {
    const socket = await open();
    backend.last.close(code, reason);
    assert.equal(await socket.ended, `${code} ${reason}`);
  }
});

test('messages sent right behind the handshake are not lost', async () => {
  const socket = new WebSocket(limpet.ws);
  socket.on('open', () => {
    for (let i = 0; i < 100; ++i) socket.send(`burst ${i}`);
    socket.close(1000);
  });
  await once(socket, 'close');
  await until('all of the burst', () => backend.received.includes('burst 99'));
  const burst = backend.received.filter((text) => text.startsWith('burst'));
  assert.deepEqual(burst, Array.from({ length: 100 }, (_, i) => `burst ${i}`));
});

test('a refusal by the backend passes with its status, fields and body', async () => {
  const socket = new WebSocket(`${limpet.ws}/forbidden`);
  const [, response] = await once(socket, 'unexpected-response');
  assert.equal(response.statusCode, 401);
  assert.equal(response.headers['x-why'], 'because');
  let body = '';
  for await (const part of response) body += part;
  assert.equal(body, 'nope');
});

test('a connection that the client drops ends at the backend without a Close', async () => {
  const socket = await open('/dropped');
  socket.terminate();
  await until('the backend saw the end', () => backend.codes.has('/dropped'));
  assert.match(backend.codes.get('/dropped'), /^100[16] /);
});
