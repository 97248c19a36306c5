// SPDX-License-Identifier: Apache-2.0
// FaultRelay: a small WebSocket relay that stands in for limpet: it keeps a key on one backend and drains a backend
// properly, so that the harness can be run without limpet and must be content; and it can plant a fault in the real
// traffic, so that the checkers can be seen to fail on it. It speaks WebSocket only, and takes the key from `?user=`.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/stream.h"

namespace limpet::e2e {

enum class Fault {
  None,
  CloseInMidFrame,
  CloseInMidMessage,
  TornFrame,        // the connection ends inside a frame
  LastMessageLost,  // of a client, before its Close
  MessageTwice,     // the last one before the farewell
  ResetInsteadOfFin,
  Burst,             // all farewells at once
  KeySplit,          // sessions of a key come back to different backends
  BackToTheDrained,  // some come back to where they were
  UntouchedClosed,   // sessions of another backend get a farewell, too
};

class FaultRelay {
 public:
  FaultRelay(Loop& loop, std::vector<std::uint16_t> backends, Fault fault);
  ~FaultRelay();

  std::uint16_t port() const { return acceptor_.port(); }
  void drain(std::size_t backend, double over);
  bool drained(std::size_t backend) const;

 private:
  class Link;
  std::size_t pick(const std::string& key);

  Loop& loop_;
  const std::vector<std::uint16_t> backends_;
  const Fault fault_;

  Acceptor acceptor_;
  std::vector<std::unique_ptr<Link>> links_;
  std::set<std::string> moved_;  // keys whose turn has come
  std::size_t draining_ = SIZE_MAX;
  std::size_t picks_ = 0;
};

}  // namespace limpet::e2e
