// SPDX-License-Identifier: Apache-2.0
// ScriptedTransport: dials ScriptedStreams. The test says what comes of each dial, and holds the scripts of those that
// began.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "proxy/net/transport.h"
#include "tests/session/scripted_stream.h"

namespace limpet::session {

class ScriptedTransport final : public net::Transport {
 public:
  struct Dial {
    net::Address to;
    Script script;
  };
  // Fills in what the stream will do, or says why there is none.
  using Answer = std::function<std::optional<Error>(const net::Address& to, Script& script)>;

  // Both outlive it.
  ScriptedTransport(const Answer& answer, std::deque<Dial>& dials) : answer_(answer), dials_(dials) {}

  std::unique_ptr<net::Stream> open(net::Loop&, Fd, const net::Address&) override { return nullptr; }
  Result<std::unique_ptr<net::Stream>> dial(net::Loop&, const net::Target& to) override {
    Dial& dial = dials_.emplace_back(Dial{to.address, {}});
    if (auto error = answer_(to.address, dial.script)) return *error;
    return dial.script.make_stream();
  }

 private:
  const Answer& answer_;
  std::deque<Dial>& dials_;
};

}  // namespace limpet::session
