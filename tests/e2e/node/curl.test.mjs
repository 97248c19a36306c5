// SPDX-License-Identifier: Apache-2.0
// curl against limpet: the whole of plain HTTP/1.1 that a proxy can get wrong, compared byte by byte with what the backend sent or got.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startLimpet } from './limpet.mjs';

const data = randomBytes(3 << 20);
const sum = (bytes) => createHash('sha256').update(bytes).digest('hex');
let directory;
let server;
let limpet;
let requests = [];

function serve(request, response) {
  const hash = createHash('sha256');
  let size = 0;
  request.on('data', (bytes) => {
    hash.update(bytes);
    size += bytes.length;
  });
  requests.push({ url: request.url, method: request.method, headers: request.headers, version: request.httpVersion });
  const url = new URL(request.url, 'http://x');
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (url.pathname === '/file' && range) {
    const [from, to] = [Number(range[1]), Number(range[2])];
    response.writeHead(206, { 'Content-Range': `bytes ${from}-${to}/${data.length}`, 'Content-Length': to - from + 1 });
    response.end(data.subarray(from, to + 1));
  } else if (url.pathname === '/file') {
    response.writeHead(200, { 'Content-Length': data.length, ETag: '"one"' });
    response.end(request.method === 'HEAD' ? undefined : data);
  } else if (url.pathname === '/chunked') {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    for (let at = 0; at < data.length; at += 100000) response.write(data.subarray(at, at + 100000));
    response.end();
  } else if (url.pathname === '/status') {
    response.writeHead(Number(url.searchParams.get('code')), { 'X-Kept': 'yes' }).end();
  } else {
    request.on('end', () => response.end(JSON.stringify({ size, sum: hash.digest('hex') })));
  }
}

before(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'limpet-curl-'));
  writeFileSync(path.join(directory, 'data'), data);
  server = http.createServer(serve);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  limpet = await startLimpet([{ name: 'only', port: server.address().port }]);
});

after(async () => {
  await limpet.stop();
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

// Runs curl; answers its standard output (bytes), standard error (what -v says) and exit code.
async function curl(...options) {
  const child = spawn('curl', ['-sS', '-m', '20', '--noproxy', '*', ...options]);
  const out = [];
  let err = '';
  child.stdout.on('data', (bytes) => out.push(bytes));
  child.stderr.on('data', (text) => (err += text));
  const [code] = await once(child, 'close');
  assert.equal(code, 0, err);
  return { out: Buffer.concat(out), err };
}

const file = () => path.join(directory, 'data');

test('a download has the right bytes, with a length and in chunks', async () => {
  assert.equal(sum((await curl(`${limpet.url}/file`)).out), sum(data));
  const { out, err } = await curl('-v', `${limpet.url}/chunked`);
  assert.equal(sum(out), sum(data));
  assert.match(err, /< transfer-encoding: chunked/i);
});

test('one connection serves many requests', async () => {
  const { out, err } = await curl('-v', ...Array.from({ length: 5 }, (_, i) => `${limpet.url}/echo?${i}`));
  assert.equal(out.toString().match(/"size":0/g).length, 5);
  assert.equal(err.match(/Re-using existing connection/gi).length, 4);
});

test('an upload has the right bytes, with a length and in chunks', async () => {
  const known = await curl('--data-binary', `@${file()}`, '-H', 'Expect:', `${limpet.url}/up`);
  assert.deepEqual(JSON.parse(known.out), { size: data.length, sum: sum(data) });
  requests = [];
  const chunked = await curl('--data-binary', `@${file()}`, '-H', 'Transfer-Encoding: chunked', '-H', 'Expect:', `${limpet.url}/up`);
  assert.deepEqual(JSON.parse(chunked.out), { size: data.length, sum: sum(data) });
  assert.equal(requests[0].headers['content-length'], undefined);
  assert.equal(requests[0].headers['transfer-encoding'], 'chunked');
});

test('an upload of nothing is answered at once, with a length and in chunks', async () => {
  const nothing = { size: 0, sum: sum('') };
  assert.deepEqual(JSON.parse((await curl('-X', 'POST', '-d', '', `${limpet.url}/up`)).out), nothing);
  const chunked = await curl('-X', 'POST', '-d', '', '-H', 'Transfer-Encoding: chunked', `${limpet.url}/up`);
  assert.deepEqual(JSON.parse(chunked.out), nothing);
});

test('Expect: 100-continue gets its 100 before the body is sent', async () => {
  const { out, err } = await curl('-v', '-T', file(), '-H', 'Expect: 100-continue', '--expect100-timeout', '15', `${limpet.url}/up`);
  assert.match(err, /< HTTP\/1\.1 100 /);
  assert.match(err, /< HTTP\/1\.1 200 /);
  assert.deepEqual(JSON.parse(out), { size: data.length, sum: sum(data) });
});

test('HEAD has the fields and no body, and the connection goes on', async () => {
  const { out, err } = await curl('-v', '-I', `${limpet.url}/file`, '--next', '-sS', '-v', `${limpet.url}/echo`);
  assert.match(out.toString(), new RegExp(`content-length: ${data.length}\r\n`, 'i'));
  assert.match(out.toString(), /\{"size":0/);
  assert.match(err, /Re-using existing connection/i);
});

test('204 and 304 have no body, and the connection goes on', async () => {
  for (const code of [204, 304]) {
    const { out, err } = await curl('-v', `${limpet.url}/status?code=${code}`, `${limpet.url}/echo`);
    assert.match(err, new RegExp(`< HTTP/1\\.1 ${code} `));
    assert.match(err, /< x-kept: yes/i);
    assert.match(out.toString(), /^\{"size":0/);
    assert.match(err, /Re-using existing connection/i);
  }
});

test('a range comes as 206 with its bytes', async () => {
  const { out, err } = await curl('-v', '-r', '1000-70000', `${limpet.url}/file`);
  assert.match(err, /< HTTP\/1\.1 206 /);
  assert.match(err, new RegExp(`< content-range: bytes 1000-70000/${data.length}`, 'i'));
  assert.ok(out.equals(data.subarray(1000, 70001)));
});

test('HTTP/1.0 gets its bytes, without chunks, and the end of the connection', async () => {
  for (const path of ['/file', '/chunked']) {
    const { out, err } = await curl('-v', '--http1.0', `${limpet.url}${path}`);
    assert.equal(sum(out), sum(data));
    assert.doesNotMatch(err, /transfer-encoding/i);
  }
});

test('every status passes with its fields', async () => {
  for (const code of [200, 201, 206, 301, 302, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503, 504]) {
    const { err } = await curl('-v', `${limpet.url}/status?code=${code}`);
    assert.match(err, new RegExp(`< HTTP/1\\.1 ${code} `));
    assert.match(err, /< x-kept: yes/i);
  }
});

test('host and path pass unchanged, forwarded fields are set, hop-by-hop fields stay behind', async () => {
  requests = [];
  await curl('--path-as-is', '-H', 'Host: chat.example.com', '-H', 'Connection: X-Private', '-H', 'X-Private: 1', '-H', 'TE: trailers',
    '-H', 'X-Forwarded-For: 6.6.6.6', '-H', 'X-Forwarded-Host: evil', '-H', 'X-Forwarded-Proto: https', `${limpet.url}/a/../b//c%2f?x=%20y`);
  const [{ url, headers }] = requests;
  assert.equal(url, '/a/../b//c%2f?x=%20y');
  assert.equal(headers.host, 'chat.example.com');
  assert.equal(headers['x-private'], undefined);
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers['x-forwarded-host'], 'chat.example.com');
  assert.equal(headers['x-forwarded-proto'], 'http');
});

test('the session cookie is set once and kept by curl', async () => {
  const jar = path.join(directory, 'jar');
  const first = await curl('-v', '-c', jar, '-b', jar, `${limpet.url}/echo`);
  assert.match(first.err, /< set-cookie: limpet=[^;]+; .*HttpOnly/i);
  assert.match(readFileSync(jar, 'utf8'), /limpet/);
  const second = await curl('-v', '-c', jar, '-b', jar, `${limpet.url}/echo`);
  assert.doesNotMatch(second.err, /set-cookie/i);
});
