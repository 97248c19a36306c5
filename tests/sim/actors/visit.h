// SPDX-License-Identifier: Apache-2.0
// One connection of the proxy to a backend: reads requests, and has each answered by a Service before it looks at the
// next. Owned by its backend. A Service answers one request, and is freed some time after it said so.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/actors/backend.h"
#include "tests/sim/actors/http_reader.h"

namespace limpet::sim {

class Service {
 public:
  virtual ~Service() = default;
  virtual void on_body(std::string_view) {}
  virtual void on_request_end() {}          // the whole request is here
  virtual void on_raw(std::string_view) {}  // behind an upgrade
  virtual void on_fin() {}                  // behind an upgrade: the proxy sends no more
  virtual void on_gone() {}                 // the connection has ended; nothing that is sent arrives
};

class Visit {
 public:
  Visit(Backend& backend, End& end);

  void heard(std::string_view bytes);
  void fin();
  void closed();

  // For services.
  Backend& backend() { return backend_; }
  Nature& nature() { return backend_.nature(); }
  const Head& head() const { return reader_.head(); }
  const Tag& tag() const { return tag_; }
  // The start of an answer, with the fields by which its reader knows it.
  std::string answer_head(int status, std::string_view fields) const;
  void send(std::string_view bytes);
  void send_chunk(std::string_view bytes);
  std::size_t unsent() const { return end_ == nullptr ? 0 : end_->unsent(); }
  void reads_at(std::uint64_t rate);
  void turn_raw() {
    raw_ = true;
    reader_.turn_raw();
  }
  // The answer is out: the next request's turn. `stays` false: closes.
  void answered(bool stays = true);
  void shut();
  void end(bool by_reset);
  bool alive() const { return end_ != nullptr; }

 private:
  friend class Backend;
  bool take(HttpReader::Event event);  // false: no more for now
  void begin_request();
  void pull();

  Backend& backend_;
  End* end_;
  const std::uint64_t id_;
  HttpReader reader_{Speaks::Requests};
  std::unique_ptr<Service> service_;
  std::vector<std::unique_ptr<Service>> spent_;  // freed where none of their functions runs
  Tag tag_;
  std::optional<std::size_t> dies_after_;  // so many bytes more
  bool request_whole_ = false;
  bool answered_ = false;
  bool pulling_ = false;
  bool raw_ = false;
  bool fin_ = false;
  Alarm idle_close_, surplus_;
};

// Which service a request asks for.
std::unique_ptr<Service> serve(Visit& visit);

}  // namespace limpet::sim
