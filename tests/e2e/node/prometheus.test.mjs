// SPDX-License-Identifier: Apache-2.0
// Debian's Prometheus scrapes limpet and answers queries from what it got; promtool finds nothing to say about the metrics.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { freePort, startBackend, startLimpet, until } from './limpet.mjs';

let directory;
let backends;
let limpet;
let prometheus;
let port;
let sockets = [];

before(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'limpet-prometheus-'));
  backends = await Promise.all(['a', 'b'].map(startBackend));
  limpet = await startLimpet(backends);
  for (let i = 0; i < 6; ++i) sockets.push(new WebSocket(limpet.ws));
  await Promise.all(sockets.map((socket) => once(socket, 'open')));
  for (let i = 0; i < 5; ++i) await (await fetch(`${limpet.url}/`)).text();
  const closing = new WebSocket(limpet.ws);
  await once(closing, 'open');
  closing.close(4321);
  await once(closing, 'close');

  port = await freePort();
  const file = path.join(directory, 'prometheus.yml');
  const target = new URL(limpet.metrics).host;
  writeFileSync(file, `global: { scrape_interval: 1s }\nscrape_configs:\n- { job_name: limpet, static_configs: [{ targets: ["${target}"] }] }\n`);
  prometheus = spawn('prometheus', [`--config.file=${file}`, `--storage.tsdb.path=${directory}/data`,
    `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
});

after(async () => {
  sockets.forEach((socket) => socket.terminate());
  const gone = once(prometheus, 'exit');
  prometheus.kill('SIGKILL');
  await gone;
  await limpet.stop();
  backends.forEach((backend) => backend.stop());
  rmSync(directory, { recursive: true, force: true });
});

async function query(expression) {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`).catch(() => null);
  if (!answer?.ok) return null;
  const { data } = await answer.json();
  return data.result.length > 0 ? data.result : null;
}

const value = async (expression) => Number((await query(expression))?.[0].value[1] ?? NaN);

test('Prometheus scrapes limpet and knows its sessions', async () => {
  await until('a first scrape', async () => (await value('up{job="limpet"}')) === 1, 30000);
  assert.equal(await value('sum(limpet_sessions{protocol="websocket"})'), 6);
  const byBackend = await query('limpet_sessions{protocol="websocket",pool="main"}');
  assert.deepEqual(new Set(byBackend.map(({ metric }) => metric.backend)), new Set(['a', 'b']));
});

test('the counters and histograms are there under their names', async () => {
  assert.equal(await value('sum(limpet_sessions_opened_total{protocol="websocket"})'), 7);
  assert.equal(await value('sum(limpet_sessions_closed_total{protocol="websocket",reason="client_closed"})'), 1);
  assert.equal(await value('sum(limpet_websocket_closes_total{code="4xxx",by="client"})'), 1);
  assert.equal(await value('sum(limpet_handshake_duration_seconds_count{protocol="websocket"})'), 7);
  assert.equal(await value('sum(limpet_session_duration_seconds_count{protocol="websocket"})'), 1);
  assert.ok((await value('sum(limpet_relayed_bytes_total{direction="to_client"})')) > 0);
  assert.equal(await value('sum(limpet_relayed_messages_total{protocol="websocket",direction="to_client"})'), 7);
  assert.equal(await value('sum(limpet_http_responses_total{code="200"})'), 5);
  assert.equal(await value('sum(limpet_http_request_duration_seconds_count)'), 5);
  assert.equal(await value('sum(limpet_picks_total)'), 12);
  assert.equal(await value('min(limpet_backend_up)'), 1);
  assert.equal(await value('sum(limpet_backend_state{state="ready"})'), 2);
  assert.equal(await value('sum(limpet_backend_weight)'), 2);
  assert.ok(Math.abs((await value('sum(limpet_backend_hash_share)')) - 1) < 1e-6);
  for (const name of ['limpet_build_info', 'limpet_affinity_keys', 'limpet_misplaced_keys', 'limpet_buffered_bytes',
    'limpet_loop_lag_seconds_count', 'process_open_fds', 'process_resident_memory_bytes', 'process_cpu_seconds_total']) {
    assert.ok(await query(name), name);
  }
});

test('promtool has nothing to say about the metrics', async () => {
  const promtool = spawn('promtool', ['check', 'metrics']);
  let said = '';
  for (const stream of [promtool.stdout, promtool.stderr]) stream.on('data', (text) => (said += text));
  promtool.stdin.end(await (await fetch(limpet.metrics)).text());
  const [code] = await once(promtool, 'close');
  assert.equal(code, 0, said);
  assert.equal(said, '');
});
