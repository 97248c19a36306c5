// SPDX-License-Identifier: Apache-2.0
// Bad days: backends that die or refuse, the process that leaves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { freePort, startBackend, startLimpet, until } from './limpet.mjs';

test('a backend that refuses gives 502, and an EventSource gets an empty stream instead', async () => {
  const limpet = await startLimpet([{ name: 'gone', port: await freePort() }], {
    pool: '[pool.health]\ncheck = "none"\neject_after = 100',
  });
  assert.equal((await fetch(`${limpet.url}/`)).status, 502);
  const stream = await fetch(`${limpet.url}/`, { headers: { Accept: 'text/event-stream', Origin: 'http://x.example' } });
  assert.equal(stream.status, 200);
  assert.equal(stream.headers.get('access-control-allow-origin'), 'http://x.example');
  assert.match(await stream.text(), /^retry: \d+\n\n$/);
  await limpet.stop();
});

test('websockets of a backend that dies end by 1001, spread, and the clients come home elsewhere', async () => {
  const backends = await Promise.all(['a', 'b'].map(startBackend));
  const limpet = await startLimpet(backends, {
    proxy: 'crash_spread = "1s"',
    pool: '[pool.affinity]\nkeys = ["query:user"]',
  });
  const ends = [];
  const sockets = [];
  for (let i = 0; i < 80; ++i) {
    const socket = new WebSocket(`${limpet.ws}/?user=${i}`);
    socket.on('message', (data) => (socket.home ??= data.toString()));
    socket.on('close', (code) => ends.push({ code, at: Date.now(), home: socket.home }));
    sockets.push(socket);
  }
  await until('all open', () => sockets.every((s) => s.home));
  backends[0].stop();
  const theirs = sockets.filter((s) => s.home === 'hello from a').length;
  await until('their ends', () => ends.length === theirs);
  assert.ok(ends.every((end) => end.code === 1001 && end.home === 'hello from a'));
  assert.ok(Math.max(...ends.map((e) => e.at)) - Math.min(...ends.map((e) => e.at)) > 300);
  const answer = await fetch(`${limpet.url}/?user=${sockets.findIndex((s) => s.home === 'hello from a')}`);
  assert.equal(answer.headers.get('x-backend'), 'b', `${answer.status} ${await answer.text()}`);
  sockets.forEach((s) => s.close());
  await limpet.stop();
  backends[1].stop();
});

test('signals that mean nothing to it end nothing, and a TERM during an ordered stop joins it', async () => {
  const backend = await startBackend('a');
  const limpet = await startLimpet([backend], { proxy: 'drain_over = "1s"' });
  for (const signal of ['SIGALRM', 'SIGVTALRM', 'SIGPROF', 'SIGUSR1', 'SIGUSR2', 'SIGIO', 'SIGPWR', 'SIGHUP']) {
    limpet.child.kill(signal);
    assert.equal((await fetch(`${limpet.url}/`)).status, 200, signal);
  }
  const socket = new WebSocket(`${limpet.ws}/`);
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await new Promise((resolve) => socket.once('open', resolve));
  assert.ok((await limpet.post('/v1/stop')).ok);
  limpet.child.kill('SIGTERM');
  assert.equal(await ended, 1012);  // told, not cut off
  assert.equal(await limpet.exited, 0);
  backend.stop();
});

test('SIGTERM drains the process: not ready first, then 1012, then exit 0', async () => {
  const backend = await startBackend('a');
  const limpet = await startLimpet([backend], { proxy: 'drain_over = "300ms"' });
  const socket = new WebSocket(`${limpet.ws}/`);
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await new Promise((resolve) => socket.once('open', resolve));
  limpet.child.kill('SIGTERM');
  await until('not ready', async () => (await limpet.api('/readyz').catch(() => ({ status: 503 }))).status === 503);
  assert.equal(await ended, 1012);
  assert.equal(await limpet.exited, 0);
  backend.stop();
});
