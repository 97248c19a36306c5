// SPDX-License-Identifier: Apache-2.0
// A small real-time backend for `limpet demo`, on an ephemeral loopback port, with a thread and an event loop of its
// own:
//   /         the page                              /healthz   200
//   /ws       a WebSocket that echoes, and says a number each second
//   /events   an event stream, an id each second, goes on after Last-Event-ID
//   /poll     answers after two to four seconds     /forget    makes the browser a new client
// Owned by run_demo; start and destroy it on one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "proxy/base/result.h"
#include "proxy/demo/connection.h"

namespace limpet::demo {

class DemoBackend final {
 public:
  // Listens and starts the thread, on which every signal is blocked.
  static Result<std::unique_ptr<DemoBackend>> start(DemoSite site);
  // Drops all connections and ends the thread.
  ~DemoBackend();
  DemoBackend(const DemoBackend&) = delete;
  DemoBackend& operator=(const DemoBackend&) = delete;

  const std::string& name() const;
  std::uint16_t port() const { return port_; }

 private:
  class Loop;

  DemoBackend(std::unique_ptr<Loop> loop, std::uint16_t port);

  const std::uint16_t port_;
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace limpet::demo
