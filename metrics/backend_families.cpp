// SPDX-License-Identifier: Apache-2.0
// See backend_families.h. Each family is one walk over the rows: a sample is a sum over the workers' cells, which those
// go on counting in meanwhile, so that two samples of a scrape may differ by an event. Called by Registry::text() on
// the control loop.
#include "metrics/backend_families.h"

#include <array>
#include <string>
#include <tuple>

namespace limpet::metrics {

namespace {

using Rows = std::vector<BackendRow>;

constexpr std::size_t kStatusCodes = std::tuple_size_v<decltype(BackendCells::http_responses)>;

template <typename Select>
double sum(const BackendRow& row, Select select) {
  double total = 0;
  for (const auto& worker : row.workers) total += static_cast<double>(select(worker.cells).value());
  return total;
}

template <typename Select>
double sum_of(const BackendRow& row, std::size_t protocol, Select select) {
  return sum(
      row, [&](const BackendCells& cells) -> const auto& { return select(cells.protocols[protocol]); });
}

std::string_view protocol_name(std::size_t protocol) {
  return name(static_cast<Protocol>(protocol));
}

// One sample for each value of a label that ever occurred.
template <typename Enum, std::size_t kSize, typename Select>
void write_by(Sheet& sheet, const Rows& rows, const char* label, Select select) {
  for (const auto& row : rows) {
    for (std::size_t protocol = 0; protocol < kProtocols; ++protocol) {
      for (std::size_t i = 0; i < kSize; ++i) {
        const double value = sum_of(row, protocol, [&](const ProtocolCells& cells) -> const Counter& {
          const std::array<Counter, kSize>& counters = select(cells);
          return counters[i];
        });
        if (value == 0) continue;
        sheet.sample({{"protocol", protocol_name(protocol)},
                      {"pool", row.pool},
                      {"backend", row.backend},
                      {label, name(static_cast<Enum>(i))}},
                     value);
      }
    }
  }
}

template <const auto& kBounds, typename Select>
void write_histograms(Sheet& sheet, const Rows& rows, Select select) {
  for (const auto& row : rows) {
    for (std::size_t protocol = 0; protocol < kProtocols; ++protocol) {
      write_histogram<kBounds>(
          sheet, {{"protocol", protocol_name(protocol)}, {"pool", row.pool}, {"backend", row.backend}}, row.workers,
          false, [&](const WorkerBackend& worker) -> const auto& { return select(worker.cells.protocols[protocol]); });
    }
  }
}

void write_sessions(Sheet& sheet, const Rows& rows) {
  sheet.family(Kind::Gauge, "limpet_sessions", "Sessions open.");
  for (const auto& row : rows) {
    for (std::size_t protocol = 0; protocol < kProtocols; ++protocol) {
      const double open = sum_of(
          row, protocol, [](const ProtocolCells& cells) -> const auto& { return cells.sessions; });
      const bool over_http = protocol <= static_cast<std::size_t>(Protocol::Http);
      if (open == 0 && !(over_http && row.listed)) continue;
      sheet.sample({{"protocol", protocol_name(protocol)}, {"pool", row.pool}, {"backend", row.backend}}, open);
    }
  }
}

void write_session_families(Sheet& sheet, const Rows& rows) {
  write_sessions(sheet, rows);
  sheet.family(Kind::Counter, "limpet_sessions_opened_total", "Sessions opened, by the client's HTTP version.");
  write_by<HttpVersion, kHttpVersions>(
      sheet, rows, "http_version", [](const auto& c) -> const auto& { return c.opened; });
  sheet.family(Kind::Counter, "limpet_sessions_closed_total", "Sessions ended, by the one cause of each.");
  write_by<CloseReason, kCloseReasons>(
      sheet, rows, "reason", [](const auto& c) -> const auto& { return c.closed; });
  sheet.family(Kind::Counter, "limpet_picks_total", "Backends picked for new sessions, by the rule that decided.");
  write_by<PickReason, kPickReasons>(
      sheet, rows, "reason", [](const auto& c) -> const auto& { return c.picks; });
  sheet.family(Kind::Counter, "limpet_relayed_bytes_total", "Bytes relayed.");
  write_by<Direction, 2>(
      sheet, rows, "direction", [](const auto& c) -> const auto& { return c.bytes; });
  sheet.family(Kind::Counter, "limpet_relayed_messages_total", "Messages or events relayed.");
  write_by<Direction, 2>(
      sheet, rows, "direction", [](const auto& c) -> const auto& { return c.messages; });
  sheet.family(Kind::Histogram, "limpet_session_duration_seconds", "How long ended sessions were open.");
  write_histograms<kDurationBounds>(
      sheet, rows, [](const auto& c) -> const auto& { return c.duration; });
  sheet.family(Kind::Histogram, "limpet_handshake_duration_seconds",
               "From a session's request to its 101, first event or response head.");
  write_histograms<kLatencyBounds>(
      sheet, rows, [](const auto& c) -> const auto& { return c.handshake; });
}

void write_websocket_families(Sheet& sheet, const Rows& rows) {
  const auto protocol = name(Protocol::WebSocket);
  sheet.family(Kind::Counter, "limpet_websocket_closes_total",
               "WebSockets closed, by close code and who sent it first.");
  for (const auto& row : rows) {
    for (std::size_t code = 0; code < kCloseCodes; ++code) {
      for (const By by : {By::Client, By::Backend, By::Limpet}) {
        const double value = sum(
            row, [&](const BackendCells& cells) -> const auto& {
              return cells.websocket_closes[code][static_cast<std::size_t>(by)];
            });
        if (value == 0) continue;
        sheet.sample({{"protocol", protocol},
                      {"pool", row.pool},
                      {"backend", row.backend},
                      {"code", close_code_name(code)},
                      {"by", name(by)}},
                     value);
      }
    }
  }
  sheet.family(Kind::Histogram, "limpet_ping_rtt_seconds", "From limpet's ping to the peer's pong.");
  for (const auto& row : rows) {
    for (const Side side : {Side::Client, Side::Backend}) {
      write_histogram<kLatencyBounds>(
          sheet, {{"protocol", protocol}, {"pool", row.pool}, {"backend", row.backend}, {"side", name(side)}},
          row.workers, false, [&](const WorkerBackend& worker) -> const auto& {
            return worker.cells.ping_rtt[static_cast<std::size_t>(side)];
          });
    }
  }
}

void write_http_families(Sheet& sheet, const Rows& rows) {
  const auto protocol = name(Protocol::Http);
  sheet.family(Kind::Counter, "limpet_http_responses_total", "Responses of HTTP exchanges, by status code.");
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < kStatusCodes; ++i) {
      const double value = sum(
          row, [&](const BackendCells& cells) -> const auto& { return cells.http_responses[i]; });
      if (value == 0) continue;
      sheet.sample(
          {{"protocol", protocol}, {"pool", row.pool}, {"backend", row.backend}, {"code", std::to_string(i + 100)}},
          value);
    }
  }
  sheet.family(Kind::Histogram, "limpet_http_request_duration_seconds", "How long HTTP exchanges took.");
  for (const auto& row : rows) {
    write_histogram<kLatencyBounds>(
        sheet, {{"protocol", protocol}, {"pool", row.pool}, {"backend", row.backend}}, row.workers, false,
        [](const WorkerBackend& worker) -> const auto& { return worker.cells.http_request_duration; });
  }
}

}  // namespace

void write_backend_families(Sheet& sheet, const std::vector<BackendRow>& rows) {
  write_session_families(sheet, rows);
  write_websocket_families(sheet, rows);
  write_http_families(sheet, rows);
}

}  // namespace limpet::metrics
