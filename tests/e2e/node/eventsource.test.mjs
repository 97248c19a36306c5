// SPDX-License-Identifier: Apache-2.0
// The eventsource package, a strict EventSource: it lives through a backend that is not there yet, keeps to the farewell's retry, and
// brings its Last-Event-ID to the next backend.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { EventSource } from 'eventsource';
import { freePort, startLimpet, until } from './limpet.mjs';

// An event server with the ids of the time, in steps of 20 ms, that remembers what it was asked.
async function startEvents(name, port = 0) {
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push({ id: request.headers['last-event-id'] ?? null, at: Date.now() });
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Backend': name });
    let id = Number(request.headers['last-event-id'] ?? 0);
    const timer = setInterval(() => response.write(`event: tick\nid: ${++id}\ndata: ${name}\ndata: ${id}\n\n`), 20);
    request.on('close', () => clearInterval(timer));
    response.on('close', () => clearInterval(timer));
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { name, asked, port: server.address().port, stop };
}

function listen(url) {
  const source = new EventSource(url);
  const seen = { source, events: [], errors: [], opened: 0 };
  source.addEventListener('tick', (event) => seen.events.push({ id: Number(event.lastEventId), home: event.data.split('\n')[0] }));
  source.onerror = (error) => seen.errors.push({ error, state: source.readyState });
  source.onopen = () => ++seen.opened;
  return seen;
}

test('an EventSource outlives the time in which there is no backend', async () => {
  const port = await freePort();
  const limpet = await startLimpet([{ name: 'late', port }], {
    route: '[route.sse]\nretry = "100ms"\nretry_jitter = "200ms"',
    pool: '[pool.health]\ninterval = "200ms"\nrise = 1\nfall = 1\neject_after = 1000',
  });
  const seen = listen(`${limpet.url}/`);
  await until('several attempts', () => seen.opened >= 3);
  assert.equal(seen.events.length, 0);
  const backend = await startEvents('late', port);
  await until('events', () => seen.events.length > 3);
  assert.ok(seen.errors.every(({ state }) => state === EventSource.CONNECTING), 'it never gave up');
  seen.source.close();
  await limpet.stop();
  backend.stop();
});

test('a farewell: the client waits its retry, and brings its Last-Event-ID elsewhere', async () => {
  const backends = await Promise.all(['a', 'b'].map((name) => startEvents(name)));
  const limpet = await startLimpet(backends, {
    route: '[route.sse]\nretry = "600ms"\nretry_jitter = "100ms"',
    pool: '[pool.affinity]\nkeys = ["query:user"]',
  });
  const seen = listen(`${limpet.url}/?user=1`);
  await until('events', () => seen.events.length > 5);
  const home = backends.find(({ name }) => name === seen.events[0].home);
  const next = backends.find((backend) => backend !== home);
  await limpet.drain(home.name, { over: '0s', deadline: '10s' });
  await until('the end', () => seen.errors.length > 0);
  const ended = Date.now();
  await until('the next backend', () => next.asked.length > 0);
  const waited = next.asked[0].at - ended;
  assert.ok(waited >= 550 && waited < 1500, `it waited ${waited} ms`);
  await until('events there', () => seen.events.at(-1).home === next.name);
  assert.deepEqual(seen.events.map(({ id }) => id), seen.events.map((_, i) => i + 1));
  assert.equal(Number(next.asked[0].id), seen.events.findLast(({ home: at }) => at === home.name).id);
  seen.source.close();
  await limpet.stop();
  backends.forEach((backend) => backend.stop());
});

test('a backend that dies in mid-stream is another end with a retry', async () => {
  const backends = await Promise.all(['a', 'b'].map((name) => startEvents(name)));
  const limpet = await startLimpet(backends, {
    proxy: 'crash_spread = "200ms"',
    route: '[route.sse]\nretry = "100ms"\nretry_jitter = "100ms"',
    pool: '[pool.affinity]\nkeys = ["query:user"]',
  });
  const seen = listen(`${limpet.url}/?user=1`);
  await until('events', () => seen.events.length > 5);
  const home = seen.events[0].home;
  backends.find(({ name }) => name === home).stop();
  await until('events elsewhere', () => seen.events.at(-1).home !== home);
  assert.deepEqual(seen.events.map(({ id }) => id), seen.events.map((_, i) => i + 1));
  assert.ok(seen.errors.every(({ state }) => state === EventSource.CONNECTING));
  seen.source.close();
  await limpet.stop();
  backends.forEach((backend) => backend.stop());
});
