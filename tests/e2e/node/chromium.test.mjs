// SPDX-License-Identifier: Apache-2.0
// A real browser without any key of its own: its WebSocket, EventSource and fetch all meet on one backend because of the session cookie,
// and a drain moves them all together to another one.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { startBackend, startLimpet, until } from './limpet.mjs';

let backends;
let limpet;
let browser;
let page;
let profile;

before(async () => {
  backends = await Promise.all(['a', 'b', 'c'].map(startBackend));
  limpet = await startLimpet(backends, { route: '[route.sse]\nretry = "100ms"\nretry_jitter = "200ms"' });
  profile = mkdtempSync(path.join(tmpdir(), 'limpet-chromium-'));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  page = await browser.newPage();
  await page.goto(`${limpet.url}/`);
});

after(async () => {
  await browser?.close();
  await limpet?.stop();
  backends?.forEach((backend) => backend.stop());
  rmSync(profile, { recursive: true, force: true });
});

// In the page: opens one of each, three tabs' worth, and keeps what they see in `window.seen`.
function openEverything() {
  window.seen = { sockets: [], streams: [], closes: [], ids: [], lost: 0 };
  const openSocket = (index) => {
    const socket = new WebSocket(`ws://${location.host}/ws`);
    socket.onmessage = ({ data }) => (window.seen.sockets[index] = data.replace('hello from ', ''));
    socket.onclose = ({ code, wasClean }) => {
      window.seen.closes.push({ code, wasClean });
      window.seen.sockets[index] = null;
      setTimeout(() => openSocket(index), 100);
    };
  };
  for (let i = 0; i < 3; ++i) openSocket(i);
  for (let i = 0; i < 2; ++i) {
    const stream = new EventSource('/events');
    window.seen.ids[i] = [];
    stream.onmessage = ({ data, lastEventId }) => {
      window.seen.streams[i] = data;
      window.seen.ids[i].push(Number(lastEventId));
    };
    stream.onerror = () => (window.seen.lost += stream.readyState === EventSource.CLOSED ? 1 : 0);
  }
}

const seen = () => page.evaluate(() => window.seen);
const fetched = () => page.evaluate(async () => (await fetch('/who')).headers.get('X-Backend'));

async function meetingPlace() {
  const { sockets, streams } = await seen();
  const homes = new Set([...sockets, ...streams, await fetched()]);
  return sockets.length === 3 && streams.length === 2 && homes.size === 1 ? [...homes][0] : null;
}

test('everything in one browser meets on one backend, by the session cookie', async () => {
  const cookies = await browser.cookies(limpet.url);
  assert.deepEqual(cookies.map(({ name }) => name), ['limpet']);
  assert.equal(cookies[0].sameSite, 'Lax');
  await page.evaluate(openEverything);
  assert.ok(await until('one meeting place', meetingPlace));
  for (let i = 0; i < 10; ++i) assert.equal(await fetched(), await meetingPlace());
});

test('a drain moves everything together to another backend', async () => {
  const home = await meetingPlace();
  assert.equal((await limpet.drain(home, { over: '500ms', deadline: '10s' })).status, 202);
  const next = await until('another meeting place', async () => {
    const place = await meetingPlace();
    return place && place !== home ? place : null;
  });
  const { closes, ids, lost } = await seen();
  assert.deepEqual(closes, Array.from({ length: 3 }, () => ({ code: 1012, wasClean: true })));
  assert.equal(lost, 0, 'no EventSource gave up');
  ids.forEach((list) => assert.deepEqual(list, list.map((_, i) => i + 1)));
  await until('drained', async () => (await limpet.backend(home)).state === 'drained');
  assert.equal((await limpet.post(`/v1/pools/main/backends/${home}/ready`)).status, 200);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(await meetingPlace(), next, 'it stays where it is when its old home returns');
});

test('another browser profile is another client', async () => {
  const homes = new Set();
  for (let i = 0; i < 12 && homes.size < 2; ++i) homes.add((await fetch(`${limpet.url}/who`)).headers.get('x-backend'));
  assert.ok(homes.size > 1);
});
