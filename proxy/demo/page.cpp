// SPDX-License-Identifier: Apache-2.0
// See page.h. What the page is told stands in data attributes of <body>; its script puts text into elements only
// as text, never as markup.
#include "proxy/demo/page.h"

namespace limpet::demo {

namespace {

constexpr std::string_view kDemoHead = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>limpet demo</title>
<link rel="icon" href="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path d='M1 13 8 2l7 11z' fill='%230d8f83'/></svg>">
<style>
:root { color-scheme: light dark; --ground: #f5f4f0; --card: #fff; --text: #1d2524; --soft: #5c6866; --line: #dcdfda;
  --demo-1: #0b7d73; --demo-2: #b4540a; --demo-3: #6a4fc4; }
@media (prefers-color-scheme: dark) { :root { --ground: #131817; --card: #1c2322; --text: #e4eae8; --soft: #9aa8a5;
  --line: #313b39; --demo-1: #3cc7b8; --demo-2: #f0953f; --demo-3: #ab97f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem; }
h1 { margin: 0; font-size: 1.9rem; letter-spacing: -.02em; }
h2 { margin: 0; font-size: 1rem; font-weight: 600; }
p { margin: .4rem 0; color: var(--soft); max-width: 46rem; }
a { color: var(--demo-1); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; margin: 1.6rem 0; }
.card, .panel { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: 1.1rem 1.25rem; }
.card { border-top: .3rem solid var(--colour, var(--line)); transition: border-color .4s; }
.card header { display: flex; justify-content: space-between; align-items: baseline; }
.state { font-size: .8rem; color: var(--soft); }
.backend { font-size: 1.8rem; font-weight: 650; color: var(--colour, var(--soft)); transition: color .4s; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; margin: .6rem 0 0; font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
.panel { margin-bottom: 1rem; }
code { font: .88rem ui-monospace, monospace; overflow-wrap: anywhere; }
pre { margin: .5rem 0 0; white-space: pre-wrap; }
ol { list-style: none; margin: .5rem 0 0; padding: 0; max-height: 18rem; overflow: auto; font-size: .9rem; }
li { display: grid; grid-template-columns: 5rem 6rem 1fr; gap: .6rem; padding: .2rem 0; border-top: 1px solid var(--line); }
li:first-child { border-top: 0; }
li span:nth-child(-n+2) { color: var(--soft); font-variant-numeric: tabular-nums; }
button { font: inherit; font-size: .9rem; color: inherit; background: none; border: 1px solid var(--line);
  border-radius: .4rem; padding: .25rem .7rem; cursor: pointer; }
button:hover { border-color: var(--soft); }
.row { display: flex; flex-wrap: wrap; gap: .8rem; align-items: center; }
</style>
</head>
)html";

constexpr std::string_view kDemoBody = R"html(<main>
<div class="row"><h1>limpet</h1><a id="dashboard">dashboard</a><a id="metrics">metrics</a>
<button id="forget">become a new client</button></div>
<p>Three connections of this browser, three protocols, one backend: the cookie is their key. Open more tabs and they join it.
Drain it, and each is told goodbye in its own words and comes back on the next one.</p>
<section class="cards">
<article class="card" id="websocket"><header><h2>WebSocket</h2><span class="state">connecting</span></header>
<div class="backend">&hellip;</div>
<dl><dt>messages</dt><dd class="count">0</dd><dt>echo</dt><dd class="detail">&ndash;</dd><dt>farewells</dt><dd class="left">0</dd></dl>
</article>
<article class="card" id="sse"><header><h2>Server-Sent Events</h2><span class="state">connecting</span></header>
<div class="backend">&hellip;</div>
<dl><dt>last id</dt><dd class="count">&ndash;</dd><dt>missed</dt><dd class="detail">0</dd><dt>farewells</dt><dd class="left">0</dd></dl>
</article>
<article class="card" id="poll"><header><h2>Long poll</h2><span class="state">waiting</span></header>
<div class="backend">&hellip;</div>
<dl><dt>answers</dt><dd class="count">0</dd><dt>waited</dt><dd class="detail">&ndash;</dd><dt>failed</dt><dd class="left">0</dd></dl>
</article>
</section>
<section class="panel"><h2>Try this in a terminal</h2><pre><code id="commands"></code></pre></section>
<section class="panel"><h2>What happened</h2><ol id="log"></ol></section>
</main>
<script>
'use strict';
const told = document.body.dataset;
const byId = (id) => document.getElementById(id);
byId('dashboard').href = told.admin + '/';
byId('metrics').href = told.admin + '/metrics';

function log(who, text) {
  const line = document.createElement('li');
  for (const part of [new Date().toTimeString().slice(0, 8), who, text]) {
    const span = document.createElement('span');
    span.textContent = part;
    line.append(span);
  }
  byId('log').prepend(line);
  while (byId('log').children.length > 200) byId('log').lastChild.remove();
}

function showCommands(home) {
  const at = ' --admin ' + told.admin;
  byId('commands').textContent = [told.command + ' status' + at, told.command + ' drain ' + home + ' --over 5s' + at,
    told.command + ' ready ' + home + at].join('\n');
}

function card(id, name) {
  const root = byId(id);
  const part = (of) => root.querySelector('.' + of);
  let home = '', left = 0;
  return {
    set: (of, text) => { part(of).textContent = text; },
    state: (text) => { part('state').textContent = text; },
    leave(text) { part('left').textContent = ++left; log(name, text); },
    home: () => home,
    arrive(backend) {
      if (backend === home) return;
      log(name, home ? 'moved from ' + home + ' to ' + backend : 'is on ' + backend);
      home = backend;
      part('backend').textContent = backend;
      root.style.setProperty('--colour', 'var(--' + backend + ')');
      showCommands(backend);
    },
  };
}

const jitter = (from, to) => from + Math.random() * (to - from);
const later = (from, to) => new Promise((resolve) => setTimeout(resolve, jitter(from, to)));

function runWebSocket() {
  const view = card('websocket', 'WebSocket');
  let messages = 0, failures = 0;
  const open = () => {
    const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/ws');
    let opened = false, sent = 0;
    const hello = setInterval(() => {
      if (socket.readyState === WebSocket.OPEN && !sent) { sent = performance.now(); socket.send('echo'); }
    }, 2000);
    socket.onopen = () => { opened = true; failures = 0; view.state('open'); };
    socket.onmessage = (message) => {
      view.set('count', ++messages);
      if (message.data === 'echo') {
        view.set('detail', (performance.now() - sent).toFixed(1) + ' ms');
        sent = 0;
      } else {
        view.arrive(JSON.parse(message.data).backend);
      }
    };
    socket.onclose = (close) => {
      clearInterval(hello);
      view.state('reconnecting');
      if (opened) {
        view.leave('farewell from ' + view.home() + ': Close ' + close.code +
          (close.code === 1012 ? ' (service restart)' : '') + (close.wasClean ? ', clean' : ', not clean'));
      } else if (failures++ === 0) {
        log('WebSocket', 'could not connect; tries on');
      }
      const most = Math.min(10000, 1000 * 2 ** failures);
      later(most / 4, most).then(open);
    };
  };
  open();
}

function runEvents() {
  const view = card('sse', 'SSE');
  let last = 0, missed = 0;
  const open = () => {
    const stream = new EventSource('/events');
    let streaming = false;
    stream.onopen = () => { streaming = true; view.state('open'); };
    stream.onmessage = (event) => {
      const said = JSON.parse(event.data);
      if (last && said.n > last + 1) missed += said.n - last - 1;
      last = said.n;
      view.set('count', last);
      view.set('detail', missed);
      view.arrive(said.backend);
    };
    stream.onerror = () => {
      view.state('reconnecting');
      if (streaming) view.leave('stream from ' + view.home() + ' ended after id ' + last + '; the browser returns by itself');
      streaming = false;
      if (stream.readyState === EventSource.CLOSED) { last = 0; later(1000, 5000).then(open); }
    };
  };
  open();
}

async function runPoll() {
  const view = card('poll', 'Long poll');
  let answers = 0, failed = 0;
  for (;;) {
    view.state('waiting');
    try {
      const answer = await fetch('/poll', { cache: 'no-store' });
      if (!answer.ok) throw new Error('status ' + answer.status);
      const said = await answer.json();
      view.set('count', ++answers);
      view.set('detail', said.waited_s + ' s');
      view.arrive(said.backend);
    } catch (error) {
      view.set('left', ++failed);
      view.state('trying again');
      if (failed === 1) log('Long poll', String(error.message || error));
      await later(500, 3000);
    }
  }
}

byId('forget').onclick = async () => { await fetch('/forget', { cache: 'no-store' }); location.reload(); };
showCommands(told.backend);
runWebSocket();
runEvents();
runPoll();
</script>
</body>
</html>
)html";

void append_attribute(std::string& out, std::string_view name, std::string_view value) {
  out += " data-";
  out += name;
  out += "=\"";
  for (const char c : value) {
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '<':
      out += "&lt;";
      break;
    default:
      out += c;
    }
  }
  out += '"';
}

}  // namespace

std::string demo_page(std::string_view backend, std::string_view admin, std::string_view command) {
  std::string page(kDemoHead);
  page += "<body";
  append_attribute(page, "backend", backend);
  append_attribute(page, "admin", admin);
  append_attribute(page, "command", command);
  page += ">\n";
  page += kDemoBody;
  return page;
}

}  // namespace limpet::demo
