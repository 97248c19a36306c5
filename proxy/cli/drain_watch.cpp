// SPDX-License-Identifier: Apache-2.0
// See drain_watch.h. Once a backend is drained its status says no more of the drain, so a view keeps what it saw last.
#include "proxy/cli/drain_watch.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace limpet::cli {

using admin::BackendStatus;
using admin::DrainStatus;
using admin::PoolStatus;

namespace {

std::string pace_text(const DrainStatus& drain) {
  const double pace = drain.elapsed_s > 0 ? static_cast<double>(drain.moved) / drain.elapsed_s : 0;
  char text[32];
  std::snprintf(text, sizeof text, pace < 9.95 ? "%.1f/s" : "%.0f/s", pace);
  return text;
}

// A label's value as the text format writes it.
std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '\\' || c == '"') out += '\\';
      out += c;
    }
  }
  return out;
}

std::string facts(const DrainView& view) {
  const DrainStatus& drain = view.drain;
  const std::uint64_t all = std::max(drain.total, view.open);
  std::string text = grouped(view.open) + " of " + counted(all, "session") + " left, " + pace_text(drain);
  if (drain.paused) {
    text += ", paused";
  } else if (std::isfinite(drain.eta_s)) {
    text += ", ETA " + rough_duration(drain.eta_s);
  }
  if (drain.cut > 0) text += ", " + grouped(drain.cut) + " cut";
  return text;
}

}  // namespace

void update(DrainView& view, const PoolStatus& pool) {
  const auto backend = std::find_if(pool.backends.begin(), pool.backends.end(),
                                    [&](const BackendStatus& one) { return one.name == view.name.backend; });
  if (backend == pool.backends.end()) {
    view.state = "gone";
    view.error = "the backend is gone";
    return;
  }
  view.state = backend->state;
  view.open = total(backend->sessions);
  if (backend->drain) {
    const std::uint64_t cut = std::max(view.drain.cut, backend->drain->cut);
    view.drain = *backend->drain;
    view.drain.cut = cut;
    view.open = std::max(view.open, view.drain.remaining);
  }
  if (view.state == "ready") view.error = "the drain was cancelled";
}

std::uint64_t sessions_cut(std::string_view metrics, const BackendName& name) {
  constexpr std::string_view kName = "limpet_drain_sessions_cut_total{";
  const std::string backend = "backend=\"" + escaped(name.backend) + "\"";
  const std::string pool = "pool=\"" + escaped(name.pool) + "\"";
  while (!metrics.empty()) {
    const auto line = metrics.substr(0, metrics.find('\n'));
    metrics.remove_prefix(std::min(metrics.size(), line.size() + 1));
    if (!line.starts_with(kName)) continue;
    const auto close = line.rfind('}');
    if (close == std::string_view::npos || close < kName.size() - 1 || close + 2 > line.size()) continue;
    const auto labels = line.substr(kName.size(), close - kName.size());
    if (labels != backend + "," + pool && labels != pool + "," + backend) continue;
    double value = 0;
    const auto text = line.substr(close + 2);
    std::from_chars(text.data(), text.data() + text.size(), value);
    return static_cast<std::uint64_t>(value);
  }
  return 0;
}

std::string progress_bar(const DrainView& view, std::size_t name_width, unsigned columns, bool color) {
  std::string name = printable(view.name.text());
  name.resize(std::max(name.size(), name_width), ' ');
  const std::string text = view.is_over() ? outcome_line(view) : facts(view);
  if (view.is_over() || name.size() + text.size() + 14 > columns) return view.is_over() ? text : name + "  " + text;
  const std::size_t width = std::min<std::size_t>(30, columns - name.size() - text.size() - 4);
  const double all = static_cast<double>(std::max<std::uint64_t>({view.drain.total, view.open, 1}));
  const double done = 1 - static_cast<double>(view.open) / all;
  const auto filled = static_cast<std::size_t>(std::lround(done * static_cast<double>(width)));
  std::string bar;
  if (color) bar += "\x1b[36m";
  for (std::size_t i = 0; i < width; ++i) bar += i < filled ? "█" : "░";
  if (color) bar += "\x1b[0m";
  return name + "  " + bar + "  " + text;
}

std::string progress_line(const DrainView& view) {
  return printable(view.name.text()) + ": " + facts(view);
}

std::string outcome_line(const DrainView& view) {
  const std::string name = printable(view.name.text()) + ": ";
  if (!view.error.empty()) return name + printable(view.error);
  const std::uint64_t left = view.drain.total - std::min(view.drain.total, view.drain.cut);
  std::string text = name + "drained in " + rough_duration(view.drain.elapsed_s) + ", " + counted(left, "session") +
                     " left by farewell";
  return text + (view.drain.cut > 0 ? ", " + grouped(view.drain.cut) + " cut" : "");
}

void DrainDisplay::draw(const std::vector<DrainView>& views) {
  std::size_t name_width = 0;
  for (const DrainView& view : views) name_width = std::max(name_width, printable(view.name.text()).size());
  if (drawn_ > 0) console_.out << "\x1b[" << drawn_ << 'A';
  for (const DrainView& view : views) {
    console_.out << "\r\x1b[2K" << progress_bar(view, name_width, console_.columns - 1, console_.color) << '\n';
  }
  console_.out.flush();
  drawn_ = views.size();
}

}  // namespace limpet::cli
