// SPDX-License-Identifier: Apache-2.0
// A WebSocketSession between two scripted peers:
//
//   client.sends("hello");  farewell();  client.receives_close(1012);
//
// The worker, the clock and what else a relay has are in tests/session/relay_fixture.h.
#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>

#include "proxy/session/websocket/session.h"
#include "tests/session/relay_fixture.h"
#include "tests/session/websocket/frames.h"

namespace limpet::session {

struct WebSocketFixture : RelayFixture {
  class End : public RelayFixture::End {
   public:
    End(RelayFixture& fixture, Script& script, bool is_client)
        : RelayFixture::End(fixture, script), is_client_(is_client) {}

    std::string frame(unsigned opcode, std::string_view payload, bool fin = true) const {
      return frames::write(opcode, payload, is_client_, fin);
    }
    void sends(std::string_view text) { sends_bytes(frame(frames::kText, text)); }
    void sends_close(unsigned code) { sends_bytes(frame(frames::kClose, frames::close_payload(code))); }

    // The next frame that it was sent; one at a time, in order. receives_bytes(): those that make no frame (yet).
    frames::Frame receives() {
      const auto all = frames::walk(std::string_view(script.written).substr(seen_));
      BOOST_TEST_REQUIRE(!all.empty());
      BOOST_TEST_REQUIRE(all[0].masked == !is_client_);
      seen_ += all[0].end;
      return all[0];
    }
    void receives(std::string_view text) {
      const auto got = receives();
      BOOST_TEST(got.opcode == frames::kText);
      BOOST_TEST(got.payload == text);
    }
    void receives_close(int code) {
      const auto got = receives();
      BOOST_TEST_REQUIRE(got.opcode == frames::kClose);
      BOOST_TEST(got.close_code() == code);
    }

   private:
    const bool is_client_;
  };

  WebSocketFixture() : RelayFixture(Protocol::WebSocket) { route.websocket.ping_interval = milliseconds(0); }

  void open(std::string_view from_client = {}, std::string_view from_backend = {}) {
    open_with([&](std::unique_ptr<SessionRecord> record) {
      auto made = std::make_unique<WebSocketSession>(*worker, std::move(record), client_script.make_stream(), Outlet{},
                                                     backend_script.make_stream());
      WebSocketSession& session = *made;
      worker->own(std::move(made));
      session.start(from_client, from_backend);
    });
  }

  std::uint64_t closes(int code, metrics::By by) {
    return registry.backend("chat", "chat-1", 0)
        .websocket_closes[metrics::close_code_index(static_cast<std::uint16_t>(code))][static_cast<std::size_t>(by)]
        .value();
  }

  End client{*this, client_script, true};
  End backend{*this, backend_script, false};
};

}  // namespace limpet::session
