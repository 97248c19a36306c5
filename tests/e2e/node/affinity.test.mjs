// SPDX-License-Identifier: Apache-2.0
// Affinity as a client meets it: where keys come from, the session cookie, learned ids, bounded load, two proxies that agree.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import WebSocket from 'ws';
import { startBackend, startLimpet, until } from './limpet.mjs';

async function withProxy(settings, body, names = ['a', 'b', 'c']) {
  const backends = await Promise.all(names.map(startBackend));
  const limpet = await startLimpet(backends, settings);
  try {
    await body(limpet, backends);
  } finally {
    await limpet.stop();
    backends.forEach((backend) => backend.stop());
  }
}

const home = async (limpet, where, headers) =>
  (await fetch(`${limpet.url}${where}`, { headers })).headers.get('x-backend');

async function where(limpet, key) {
  return (await (await limpet.api(`/v1/pools/main/where?key=${encodeURIComponent(key)}`)).json()).backend;
}

test('each source of a key leads to the backend of its value', async () => {
  const keys = '["header:X-User-Id", "query:user", "cookie:sid", "path:2", "jwt:sub", "client_ip"]';
  await withProxy({ pool: `[pool.affinity]\nkeys = ${keys}` }, async (limpet) => {
    const claims = Buffer.from(JSON.stringify({ sub: 'from-jwt' })).toString('base64url');
    assert.equal(await home(limpet, '/', { 'X-User-Id': 'from header' }), await where(limpet, 'from header'));
    assert.equal(await home(limpet, '/?user=from%20query'), await where(limpet, 'from query'));
    assert.equal(await home(limpet, '/', { Cookie: 'x=1; sid="from-cookie"' }), await where(limpet, 'from-cookie'));
    assert.equal(await home(limpet, '/rooms/from-path'), await where(limpet, 'from-path'));
    assert.equal(await home(limpet, '/', { Authorization: `Bearer e30.${claims}.x` }), await where(limpet, 'from-jwt'));
    assert.equal(await home(limpet, '/'), await where(limpet, '127.0.0.1'));
    assert.equal(await home(limpet, '/?user=second', { 'X-User-Id': 'first' }), await where(limpet, 'first'));
  });
});

test('two proxies agree on every key, and on a cookie that one of them drew', async () => {
  const backends = await Promise.all(['a', 'b', 'c'].map(startBackend));
  const proxies = [await startLimpet(backends), await startLimpet([...backends].reverse())];
  const digest = async (proxy) => (await (await proxy.api('/v1/pools/main')).json()).digest;
  assert.equal(await digest(proxies[0]), await digest(proxies[1]));
  for (let i = 0; i < 100; ++i) assert.equal(await where(proxies[0], `k${i}`), await where(proxies[1], `k${i}`));
  for (let i = 0; i < 20; ++i) {
    const first = await fetch(`${proxies[0].url}/`);
    const cookie = first.headers.get('set-cookie').split(';')[0];
    assert.equal(await home(proxies[1], '/', { Cookie: cookie }), first.headers.get('x-backend'));
  }
  for (const proxy of proxies) await proxy.stop();
  backends.forEach((backend) => backend.stop());
});

test('the session cookie rides on a 101, too', async () => {
  await withProxy({}, async (limpet) => {
    const socket = new WebSocket(`${limpet.ws}/`);
    const greeting = new Promise((resolve) => socket.once('message', (data) => resolve(data.toString())));
    const [cookie] = await new Promise((resolve) =>
      socket.once('upgrade', (response) => resolve(response.headers['set-cookie'])));
    assert.match(cookie, /^limpet=[\w-]{15}; Path=\/; HttpOnly; SameSite=Lax$/);
    const name = (await greeting).replace('hello from ', '');
    assert.equal(await home(limpet, '/', { Cookie: cookie.split(';')[0] }), name);
    socket.close();
  });
});

test('with load_factor no backend takes more than its share of hash picks, and the choice is remembered', async () => {
  const settings = { pool: 'load_factor = 1.25\n[pool.affinity]\nkeys = ["query:user"]' };
  await withProxy(settings, async (limpet) => {
    const sockets = [];
    for (let i = 0; i < 60; ++i) {
      const socket = new WebSocket(`${limpet.ws}/?user=u${i}`);
      socket.once('message', (data) => (socket.home = data.toString().replace('hello from ', '')));
      sockets.push(socket);
      await until('the greeting', () => socket.home);
      const most = Math.ceil((1.25 * (i + 1)) / 3);
      for (const name of ['a', 'b', 'c']) assert.ok(sockets.filter((s) => s.home === name).length <= most);
    }
    for (const [i, socket] of sockets.entries()) assert.equal(await home(limpet, `/?user=u${i}`), socket.home);
    sockets.forEach((socket) => socket.terminate());
  });
});

test('a learned header leads home while its backend serves it, and is a 404 afterwards', async () => {
  const servers = ['a', 'b'].map((name) => {
    const server = http.createServer((request, response) => {
      if (!request.headers['mcp-session-id']) response.setHeader('Mcp-Session-Id', `${name}-${Math.random()}`);
      response.end(name);
    });
    return new Promise((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve({ name, port: server.address().port, server })));
  });
  const backends = await Promise.all(servers);
  const limpet = await startLimpet(backends, {
    pool: '[pool.affinity]\nlearn = ["header:Mcp-Session-Id"]\ncookie = false',
  });
  for (let i = 0; i < 10; ++i) {
    const first = await fetch(`${limpet.url}/`);
    const id = first.headers.get('mcp-session-id');
    const name = await first.text();
    for (let j = 0; j < 3; ++j) {
      assert.equal(await (await fetch(`${limpet.url}/`, { headers: { 'Mcp-Session-Id': id } })).text(), name);
    }
    if (i < 9) continue;
    await limpet.drain(name, { over: '0s' });
    await until('drained', async () => (await limpet.backend(name)).state === 'drained');
    assert.equal((await fetch(`${limpet.url}/`, { headers: { 'Mcp-Session-Id': id } })).status, 404);
  }
  await limpet.stop();
  backends.forEach(({ server }) => server.close());
});

test('weights are shares', async () => {
  const backends = await Promise.all(['light', 'heavy'].map(startBackend));
  const limpet = await startLimpet([backends[0], { ...backends[1], weight: 3 }]);
  const shares = (await (await limpet.api('/v1/pools/main')).json()).backends.map((b) => b.share);
  assert.ok(Math.abs(shares[0] - 0.25) < 0.02 && Math.abs(shares[1] - 0.75) < 0.02, String(shares));
  await limpet.stop();
  backends.forEach((backend) => backend.stop());
});

test('the access log has one line per finished session with the documented fields', async () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'limpet-log-')), 'access.log');
  await withProxy({ proxy: `[log]\nformat = "json"\naccess = "${file}"` }, async (limpet) => {
    await fetch(`${limpet.url}/logged`, { headers: { 'X-Request-Id': 'r-"1"' } });
    const socket = new WebSocket(`${limpet.ws}/`);
    await new Promise((resolve) => socket.once('open', resolve));
    socket.close(1000);
    const read = () => readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
    const lines = await until('two lines', () => read().length >= 2 && read());
    const fields = ('time client listener route protocol pool backend pick_reason close_reason status duration_s ' +
      'bytes_to_client bytes_to_backend messages_to_client messages_to_backend close_code request_id').split(' ');
    for (const line of lines) assert.deepEqual(Object.keys(line), fields);
    const [plain, tunnel] = ['http', 'websocket'].map((protocol) => lines.find((line) => line.protocol === protocol));
    assert.equal(plain.request_id, 'r-"1"');
    assert.equal(plain.status, 200);
    assert.equal(tunnel.close_code, 1000);
    assert.equal(tunnel.close_reason, 'client_closed');
  });
});

test('a bad configuration is reported whole and exits with 78', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'limpet-bad-'));
  const file = path.join(directory, 'bad.toml');
  execFileSync('sh', ['-c', `printf '[proxy]\\nworkerz = 2\\n[[listener]]\\nname = "w"\\naddress = "nowhere"\\n' > ${file}`]);
  try {
    execFileSync(process.env.LIMPET_BINARY, ['check', '-c', file], { stdio: 'pipe' });
    assert.fail('it was accepted');
  } catch (failure) {
    assert.equal(failure.status, 78);
    const text = failure.stderr.toString() + failure.stdout.toString();
    assert.match(text, /bad\.toml:2:1: error: .*workerz.*workers/);
    assert.match(text, /bad\.toml:5:\d+: error: /);
  }
});
