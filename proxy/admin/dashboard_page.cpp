// SPDX-License-Identifier: Apache-2.0
// The page's source. Everything that comes from the proxy becomes text nodes, never markup. The stream is read by
// fetch, not EventSource, because only fetch can send the token; the token lives in the tab's session storage.
#include "proxy/admin/dashboard_page.h"

namespace limpet::admin {

namespace {

constexpr std::string_view kDashboardHead = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>limpet</title>
<link rel="icon" href="data:,">
)html";

constexpr std::string_view kStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f4f6f5; --card: #fff; --ink: #17211f; --soft: #5f6f6b; --line: #dfe6e3; --track: #e8eeeb;
  --good: #14795c; --warn: #a35a00; --bad: #b3261e; --good-bg: #dcf3ea; --warn-bg: #fdecd2; --bad-bg: #fbe0de;
  --p0: #0f7b6c; --p1: #3a6fd8; --p2: #b4572b; --p3: #7f8c8a; --p4: #8a4fbf; --p5: #b38a00; --p6: #c43d74; --p7: #4d7c0f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101615; --card: #18211f; --ink: #e4ecea; --soft: #93a5a0; --line: #26322f; --track: #26322f;
    --good: #63d3ae; --warn: #f0b45f; --bad: #ff8f86; --good-bg: #12352b; --warn-bg: #3a2a10; --bad-bg: #401a18;
    --p0: #35b39d; --p1: #7aa5f5; --p2: #e08c5e; --p3: #91a09c; --p4: #bd8ae6; --p5: #d9b53a; --p6: #ec7fa8; --p7: #9ccc4f;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 20px 20px 48px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 6px 14px; margin-bottom: 18px; }
h1 { font-size: 24px; letter-spacing: -.02em; margin: 0; }
h2 { font-size: 17px; margin: 0; }
.soft { color: var(--soft); font-size: 13px; }
.grow { flex: 1; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; margin-bottom: 16px; }
.row { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 14px; }
.pill { border-radius: 99px; padding: 1px 10px; font-size: 12.5px; font-weight: 600; white-space: nowrap;
  background: var(--track); color: var(--soft); }
.pill.good { background: var(--good-bg); color: var(--good); }
.pill.warn { background: var(--warn-bg); color: var(--warn); }
.pill.bad { background: var(--bad-bg); color: var(--bad); }
.total { font-size: 40px; font-weight: 650; letter-spacing: -.03em; line-height: 1.1; font-variant-numeric: tabular-nums; }
.overview { display: grid; grid-template-columns: minmax(200px, 1fr) 2.4fr; gap: 16px 28px; }
.legend { display: grid; gap: 3px; margin-top: 10px; font-variant-numeric: tabular-nums; }
.legend div { display: flex; gap: 8px; align-items: center; }
.legend span:last-child { margin-left: auto; }
.dot { width: 10px; height: 10px; border-radius: 3px; flex: none; }
svg { display: block; width: 100%; height: 170px; }
svg text { fill: var(--soft); font-size: 11px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 10px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-size: 12px; font-weight: 600; color: var(--soft); padding: 4px 14px 4px 0; white-space: nowrap; }
td { padding: 8px 14px 8px 0; border-top: 1px solid var(--line); vertical-align: middle; }
td.num, th.num { text-align: right; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, monospace; color: var(--soft); }
.bar { display: flex; height: 8px; border-radius: 99px; overflow: hidden; background: var(--track); min-width: 80px; }
.bar i { display: block; height: 100%; }
.drain td { border-top: 0; padding-top: 0; }
.drain .bar { height: 10px; margin-bottom: 4px; }
.drain .bar i { background: var(--warn); transition: width .6s; }
.by { font-size: 12.5px; color: var(--soft); margin-top: 3px; }
form { max-width: 380px; margin: 12vh auto; }
input, button { font: inherit; color: inherit; width: 100%; padding: 9px 12px; border-radius: 8px; margin-top: 10px;
  border: 1px solid var(--line); background: var(--page); }
button { background: var(--p0); border-color: var(--p0); color: var(--card); font-weight: 600; cursor: pointer; }
:focus-visible { outline: 2px solid var(--p1); outline-offset: 2px; }
.stale { opacity: .55; }
[hidden] { display: none !important; }
@media (max-width: 720px) { .overview { grid-template-columns: 1fr; } }
@media (prefers-reduced-motion: reduce) { .drain .bar i { transition: none; } }
)css";

constexpr std::string_view kDashboardBody = R"html(</style>
</head>
<body>
<main>
<header>
<h1>limpet</h1><span class="soft" id="facts"></span><span class="grow"></span>
<span class="pill" id="state" hidden></span><span class="pill" id="link" role="status">connecting…</span>
</header>
<form class="card" id="ask" hidden>
<h2>This proxy asks for a token</h2>
<div class="soft" id="why">It is the content of the file that <code>admin.token_file</code> names.</div>
<input id="token" type="password" autocomplete="off" aria-label="Token" required>
<button>Open the dashboard</button>
</form>
<div id="view" hidden>
<section class="card overview" aria-label="Sessions">
<div><div class="soft">open sessions</div><div class="total" id="total">0</div><div class="legend" id="legend"></div></div>
<div><div class="soft" id="span">sessions over time</div><svg id="chart" role="img" aria-label="Sessions over time"></svg></div>
</section>
<div id="pools"></div>
</div>
<noscript><p class="card">This page needs JavaScript. <code>limpet status</code> prints the same.</p></noscript>
</main>
)html";

constexpr std::string_view kScript = R"js(
'use strict';
const PROTOCOLS = ['websocket', 'sse', 'long_poll', 'http', 'mqtt', 'stomp', 'amqp', 'tcp'];
const KEEP = 300;  // seconds in the chart
const points = [];
const $ = id => document.getElementById(id);
const color = protocol => `var(--p${Math.max(0, PROTOCOLS.indexOf(protocol))})`;
const whole = n => Math.round(n).toLocaleString('en-US');
const sum = counts => Object.values(counts || {}).reduce((a, b) => a + b, 0);
const inOrder = counts => Object.entries(counts || {}).filter(([, n]) => n > 0)
  .sort(([a], [b]) => PROTOCOLS.indexOf(a) - PROTOCOLS.indexOf(b));

function span(seconds) {
  if (seconds === null || !isFinite(seconds)) return '–';
  const s = Math.round(seconds);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${Math.floor(s % 3600 / 60)}m`;
  return `${Math.floor(s / 86400)}d ${Math.floor(s % 86400 / 3600)}h`;
}

// An element; children are elements or become text.
function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.map(child => child instanceof Node ? child : String(child)));
  return node;
}

function bar(parts) {  // [fraction, colour]…
  return el('div', 'bar', ...parts.map(([fraction, background]) => {
    const part = el('i');
    part.style.width = `${100 * Math.min(1, Math.max(0, fraction))}%`;
    if (background) part.style.background = background;
    return part;
  }));
}

function pill(text, mood) { return el('span', `pill ${mood}`, text); }
const stateMood = state => ({ready: 'good', draining: 'warn', running: 'good'})[state] || '';
const healthMood = health => ({up: 'good', down: 'bad', ejected: 'warn'})[health] || '';

function drainRow(backend) {
  const d = backend.drain;
  const total = Math.max(d.total, d.remaining, 1);
  const done = total - d.remaining;
  const pace = d.elapsed_s > 0 ? d.moved / d.elapsed_s : 0;
  const text = [`${whole(d.remaining)} of ${whole(total)} sessions left`, `${whole(d.moved)} moved`,
    `${pace.toFixed(pace < 10 ? 1 : 0)}/s`, d.paused ? 'paused' : `ETA ${span(d.eta_s)}`, `running ${span(d.elapsed_s)}`];
  if (d.cut > 0) text.push(`${whole(d.cut)} cut`);
  const progress = bar([[done / total]]);
  progress.setAttribute('role', 'progressbar');
  progress.setAttribute('aria-valuenow', String(Math.round(100 * done / total)));
  progress.setAttribute('aria-label', `drain of ${backend.name}`);
  const cell = el('td', '', progress, el('div', 'by', text.join(' · ')));
  if (d.heavy && d.heavy.length) {
    cell.append(el('div', 'by', 'heavy keys: ' + d.heavy.map(h => `${h.key} (${whole(h.sessions)})`).join(', ')));
  }
  cell.colSpan = 7;
  return el('tr', 'drain', cell);
}

function backendRows(backend, most) {
  const n = sum(backend.sessions);
  const parts = inOrder(backend.sessions);
  const load = el('td', '', bar(parts.map(([protocol, count]) => [count / most, color(protocol)])),
    el('div', 'by', parts.map(([protocol, count]) => `${whole(count)} ${protocol}`).join(' · ') || 'no sessions'));
  const share = el('td', 'num', `${(100 * backend.share).toFixed(1)}%`);
  const rows = [el('tr', '',
    el('td', '', el('strong', '', backend.name), el('br'), el('code', '', backend.address)),
    el('td', '', pill(backend.state, stateMood(backend.state))),
    el('td', '', pill(backend.health, healthMood(backend.health))),
    share, el('td', 'num', whole(backend.keys)), el('td', 'num', whole(n)), load)];
  if (backend.drain) rows.push(drainRow(backend));
  return rows;
}

function poolCard(pool) {
  const most = Math.max(1, ...pool.backends.map(backend => sum(backend.sessions)));
  const head = el('tr', '', ...['backend', 'state', 'health', '#share', '#keys', '#sessions', 'by protocol']
    .map(name => el('th', name[0] === '#' ? 'num' : '', name.replace('#', ''))));
  const facts = [pool.algorithm, `digest ${pool.digest}`];
  if (pool.misplaced_keys > 0) facts.push(`${whole(pool.misplaced_keys)} misplaced keys`);
  return el('section', 'card', el('div', 'row', el('h2', '', pool.name), el('span', 'soft', facts.join(' · '))),
    el('div', 'scroll', el('table', '', el('thead', '', head),
      el('tbody', '', ...pool.backends.flatMap(backend => backendRows(backend, most))))));
}

function svg(tag, attributes, text) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// A stacked area, newest at the right edge.
function drawChart() {
  const chart = $('chart');
  const width = chart.clientWidth || 600, height = 170, left = 44, bottom = 18, top = 8;
  chart.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const now = points.length ? points[points.length - 1].at : 0;
  const peak = Math.max(4, ...points.map(point => sum(point.sessions)));
  const step = 2 * 10 ** Math.floor(Math.log10(peak / 2));
  const ceiling = Math.ceil(peak / step) * step;
  const x = at => width - (now - at) / KEEP * (width - left);
  const y = n => top + (1 - n / ceiling) * (height - top - bottom);
  const nodes = [];
  for (const n of [0, ceiling / 2, ceiling]) {
    nodes.push(svg('line', {x1: left, x2: width, y1: y(n), y2: y(n), stroke: 'var(--line)'}),
      svg('text', {x: left - 6, y: y(n) + 4, 'text-anchor': 'end'}, whole(n)));
  }
  for (const minutes of [4, 3, 2, 1]) {
    nodes.push(svg('text', {x: x(now - minutes * 60), y: height - 2, 'text-anchor': 'middle'}, `−${minutes} min`));
  }
  const floor = points.map(() => 0);
  for (const protocol of PROTOCOLS) {
    if (!points.some(point => point.sessions[protocol] > 0)) continue;
    const low = floor.slice();
    points.forEach((point, i) => { floor[i] += point.sessions[protocol] || 0; });
    const upper = points.map((point, i) => `${x(point.at).toFixed(1)},${y(floor[i]).toFixed(1)}`);
    const lower = points.map((point, i) => `${x(point.at).toFixed(1)},${y(low[i]).toFixed(1)}`).reverse();
    nodes.push(svg('polygon', {points: [...upper, ...lower].join(' '), fill: color(protocol), 'fill-opacity': .28}),
      svg('polyline', {points: upper.join(' '), fill: 'none', stroke: color(protocol), 'stroke-width': 1.75,
        'stroke-linejoin': 'round'}));
  }
  chart.replaceChildren(...nodes);
}

function show(status) {
  $('view').hidden = false;
  $('facts').textContent = `${status.version} · up ${span(status.uptime_s)} · pid ${status.pid} · ` +
    `${status.workers} worker${status.workers === 1 ? '' : 's'}`;
  $('state').hidden = false;
  $('state').textContent = status.state;
  $('state').className = `pill ${stateMood(status.state)}`;
  $('total').textContent = whole(sum(status.sessions));
  $('legend').replaceChildren(...inOrder(status.sessions).map(([protocol, n]) => {
    const dot = el('span', 'dot');
    dot.style.background = color(protocol);
    return el('div', '', dot, el('span', '', protocol), el('span', '', whole(n)));
  }));
  const now = Date.now() / 1000;
  points.push({at: now, sessions: status.sessions || {}});
  while (points[0].at < now - KEEP) points.shift();
  drawChart();
  $('pools').replaceChildren(...status.pools.map(poolCard));
}

function link(text, mood) {
  $('link').textContent = text;
  $('link').className = `pill ${mood}`;
  $('view').classList.toggle('stale', mood !== 'good');
}

// Hands each `data:` of the stream to show(); returns when the stream ends. Throws where there is none.
async function listen() {
  const token = sessionStorage.getItem('limpet-token');
  const abort = new AbortController();
  let quiet = setTimeout(() => abort.abort(), 8000);
  try {
    const answer = await fetch('/v1/events',
      {headers: token ? {Authorization: `Bearer ${token}`} : {}, cache: 'no-store', signal: abort.signal});
    if (answer.status === 401) return askForToken(Boolean(token));
    if (!answer.ok) throw new Error(String(answer.status));
    $('ask').hidden = true;
    link('live', 'good');
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let buffer = '';;) {
      const {value, done} = await reader.read();
      if (done) return undefined;
      clearTimeout(quiet);
      quiet = setTimeout(() => abort.abort(), 8000);
      const events = (buffer + value).split('\n\n');
      buffer = events.pop();
      for (const event of events) {
        const data = event.split('\n').filter(line => line.startsWith('data: ')).map(line => line.slice(6)).join('\n');
        if (data) show(JSON.parse(data));
      }
    }
  } finally {
    clearTimeout(quiet);
  }
}

function askForToken(wasWrong) {
  link('token needed', 'warn');
  $('view').hidden = true;
  $('ask').hidden = false;
  if (wasWrong) $('why').textContent = 'That was not the token. Try again.';
  $('token').focus();
  return new Promise(resolve => {
    $('ask').onsubmit = event => {
      event.preventDefault();
      sessionStorage.setItem('limpet-token', $('token').value.trim());
      $('token').value = '';
      resolve();
    };
  });
}

(async () => {
  for (let wait = 500;; wait = Math.min(5000, wait * 1.6)) {
    const began = Date.now();
    try {
      await listen();
    } catch (problem) {
      console.warn('limpet:', problem);
    }
    if (Date.now() - began > 10000 || !$('ask').hidden) wait = 500;
    if ($('ask').hidden) link('reconnecting…', 'bad');
    await new Promise(resolve => setTimeout(resolve, $('ask').hidden ? wait : 0));
  }
})();
addEventListener('resize', () => { if (points.length) drawChart(); });
)js";

std::string with_nonce(const char* tag, std::string_view nonce) {
  return std::string("<") + tag + " nonce=\"" + std::string(nonce) + "\">";
}

}  // namespace

std::string dashboard_page(std::string_view nonce) {
  std::string page(kDashboardHead);
  page += with_nonce("style", nonce);
  page += kStyle;
  page += kDashboardBody;
  page += with_nonce("script", nonce);
  page += kScript;
  page += "</script>\n</body>\n</html>\n";
  return page;
}

std::string dashboard_policy(std::string_view nonce) {
  const std::string own = " 'nonce-" + std::string(nonce) + "'";
  return "default-src 'none'; script-src" + own + "; style-src" + own +
         "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

}  // namespace limpet::admin
