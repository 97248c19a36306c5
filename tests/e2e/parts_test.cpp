// SPDX-License-Identifier: Apache-2.0
// The harness's own parts: what judges the proxy must itself be right. The frame reader must refuse, the parsers must
// not care where the pieces were cut, a FIN must not pass for a reset; clients and backends agree when nothing stands
// between them, and disagree when a relay meddles with the bytes.
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>

#include "tests/e2e/backend.h"
#include "tests/e2e/checkers.h"
#include "tests/e2e/event_client.h"
#include "tests/e2e/request_client.h"
#include "tests/e2e/ws_client.h"

namespace limpet::e2e {
namespace {

std::string error_of(std::string_view bytes, bool from_client = false) {
  FrameReader reader(from_client);
  reader.feed(bytes);
  Frame frame;
  while (reader.next(frame)) {
  }
  return reader.error();
}

std::string plain(std::string_view payload, std::uint8_t opcode, bool fin = true) {
  return encode({fin, false, opcode, std::string(payload)}, false);
}

// Relays bytes between a client and a backend, and may change those towards the client.
class ByteRelay {
 public:
  using Meddle = std::function<std::string(std::string_view)>;  // an empty answer ends the connection

  ByteRelay(Loop& loop, std::uint16_t backend, Meddle meddle)
      : loop_(loop),
        backend_(backend),
        meddle_(std::move(meddle)),
        acceptor_(loop, [this](Fd socket) { links_.push_back(std::make_unique<Link>(*this, std::move(socket))); }) {}
  std::uint16_t port() const { return acceptor_.port(); }

 private:
  struct Side final : Stream::Handler {
    void on_bytes(std::string_view bytes) override {
      const std::string out = meddle ? meddle(bytes) : std::string(bytes);
      if (out.empty()) return other->stream->shutdown_write();
      other->stream->write(out);
    }
    void on_end(End) override {
      other->stream->shutdown_write();
      stream->close();
    }
    std::unique_ptr<Stream> stream;
    Side* other = nullptr;
    Meddle meddle;
  };
  struct Link {
    Link(ByteRelay& relay, Fd socket) {
      down.stream = std::make_unique<Stream>(relay.loop_, std::move(socket), true, down);
      up.stream = Stream::connect(relay.loop_, relay.backend_, up);
      down.other = &up;
      up.other = &down;
      up.meddle = relay.meddle_;
    }
    Side down, up;
  };

  Loop& loop_;
  const std::uint16_t backend_;
  const Meddle meddle_;
  Acceptor acceptor_;
  std::vector<std::unique_ptr<Link>> links_;
};

struct Stage {
  Loop loop;
  EventLog log;
  EventHub hub{loop, 0.05};
  Backend backend{loop, log, hub, {"b1", {0.1, 0.3, 0.02, 0.02}, 0.2, 0.5}};
};

// What `clients` event streams through the relay see in two seconds.
EventLog streams_through(const ByteRelay::Meddle& meddle) {
  Stage stage;
  ByteRelay relay(stage.loop, stage.backend.port(), meddle);
  std::vector<std::unique_ptr<EventClient>> clients;
  for (std::uint32_t i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<EventClient>(stage.loop, stage.log, EventClient::Options{relay.port(), i, i}));
    clients.back()->connect();
  }
  stage.hub.start();
  stage.loop.run_for(2);
  stage.hub.stop();
  stage.log.last_event = stage.hub.last();
  stage.loop.run_for(4);
  return stage.log;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_frame_reader_takes_what_is_right) {
  BOOST_TEST(error_of(plain("a", kText, false) + plain("p", kPing) + plain("b", kContinuation) + plain("", kClose)) ==
             "");
  BOOST_TEST(error_of(encode({true, true, kBinary, std::string(70000, 'x')}, true), true) == "");
}

BOOST_AUTO_TEST_CASE(the_frame_reader_refuses_what_is_wrong) {
  BOOST_TEST(error_of(plain("a", kText), true) == "a frame that is masked in the wrong direction");
  BOOST_TEST(error_of(encode({}, true)) == "a frame that is masked in the wrong direction");
  BOOST_TEST(error_of(plain("a", kContinuation)) == "a continuation out of place");
  BOOST_TEST(error_of(plain("a", kText, false) + plain("b", kText)) == "a continuation out of place");
  BOOST_TEST(error_of(plain("a", kText, false) + encode({true, true, kContinuation, "b"}, false)) ==
             "RSV1 on a continuation");
  BOOST_TEST(error_of(plain("a", 3)) == "an unknown opcode");
  BOOST_TEST(error_of(plain("a", 11)) == "an unknown control opcode");
  BOOST_TEST(error_of(plain("a", kPing, false)) == "a control frame that is fragmented or too long");
  BOOST_TEST(error_of(encode({true, true, kPing, "a"}, false)) == "a compressed control frame");
  BOOST_TEST(error_of(plain("", kClose) + plain("a", kText)) == "bytes after the Close frame");
  BOOST_TEST(error_of("\xa1\x01x") == "RSV2 or RSV3 is set");
}

BOOST_AUTO_TEST_CASE(a_frame_is_read_whole_wherever_it_was_cut) {
  const std::string bytes =
      encode({false, false, kText, "hello"}, true) + encode({true, false, kContinuation, "!"}, true);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    FrameReader reader(true);
    Frame frame;
    std::string got;
    for (const auto& part : {bytes.substr(0, cut), bytes.substr(cut)}) {
      reader.feed(part);
      while (reader.next(frame)) got += frame.payload;
    }
    BOOST_TEST(got == "hello!");
    BOOST_TEST(!reader.in_mid_frame());
  }
}

BOOST_AUTO_TEST_CASE(close_codes_that_may_not_be_sent_are_malformed) {
  BOOST_TEST(close_code("") == 1005);
  BOOST_TEST(close_code(close_payload(1012, "bye")) == 1012);
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 2999, 5000}) BOOST_TEST(close_code(close_payload(code)) == 0);
}

BOOST_AUTO_TEST_CASE(compressed_messages_share_a_window_and_notice_a_missing_one) {
  Deflater deflater;
  Inflater inflater, late;
  const std::string text(sample_body(1, 4000));
  const auto first = deflater.compress(text), second = deflater.compress(text);
  BOOST_TEST(second.size() < first.size());
  BOOST_TEST((inflater.decompress(first) == text && inflater.decompress(second) == text));
  const auto alone = late.decompress(second);
  BOOST_TEST((!alone || *alone != text));
}

BOOST_AUTO_TEST_CASE(a_message_that_was_changed_is_not_read) {
  const auto message = make_message(7, Direction::ToClient, 3, 64);
  BOOST_TEST((read_message(message, 7, Direction::ToClient) == std::int64_t{3}));
  BOOST_TEST(!read_message(message, 8, Direction::ToClient));
  BOOST_TEST(!read_message(message, 7, Direction::ToBackend));
  BOOST_TEST(!read_message(message.substr(0, message.size() - 1), 7, Direction::ToClient));
  BOOST_TEST(!read_message(message + "x", 7, Direction::ToClient));
}

BOOST_AUTO_TEST_CASE(an_event_stream_reads_the_same_wherever_it_was_cut) {
  const std::string stream =
      "\xEF\xBB\xBF:comment\r\rid: 1\revent:tick\rdata: a\r\rdata:b\r\ndata: c\r\nid:2\r\n\r\nretry: 250\n\ndata: "
      "漢\nid: 3\n\n"
      "id: 4\ndata: lost";
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    std::string seen;
    EventStreamParser parser([&](const ServerEvent& e) { seen += e.id + e.type + "[" + e.data + "]"; }, "");
    parser.feed(std::string_view(stream).substr(0, cut));
    parser.feed(std::string_view(stream).substr(cut));
    BOOST_TEST(seen == "1tick[a]2message[b\nc]3message[漢]");
    BOOST_TEST(parser.retry_ms() == 250);
    BOOST_TEST(parser.last_event_id() == "3");
    BOOST_TEST(!parser.between_events());
  }
}

BOOST_AUTO_TEST_CASE(chunks_read_the_same_wherever_they_were_cut) {
  const std::string bytes = "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    ChunkDecoder decoder;
    std::string body;
    decoder.feed(bytes.substr(0, cut), body);
    decoder.feed(bytes.substr(cut), body);
    BOOST_TEST((decoder.done() && body == "hello!"));
  }
  ChunkDecoder decoder;
  std::string body;
  decoder.feed("5\r\nhelloXX", body);
  BOOST_TEST(decoder.bad());
}

BOOST_AUTO_TEST_CASE(a_fin_is_told_from_a_reset) {
  struct Listener final : Stream::Handler {
    void on_bytes(std::string_view bytes) override { got += bytes; }
    void on_end(End seen) override { end = seen; }
    std::string got;
    std::optional<End> end;
  };
  for (const bool hard : {false, true}) {
    Loop loop;
    Listener near, far;
    std::unique_ptr<Stream> server;
    Acceptor acceptor(loop, [&](Fd socket) {
      server = std::make_unique<Stream>(loop, std::move(socket), true, far);
      server->write("bye");
    });
    const auto client = Stream::connect(loop, acceptor.port(), near);
    BOOST_TEST(loop.run_until([&] { return near.got == "bye"; }, 5));
    if (hard) {
      server->reset();
    } else {
      server->shutdown_write();
    }
    if (hard) client->write("more");  // a write may meet the reset first
    BOOST_TEST(loop.run_until([&] { return near.end.has_value(); }, 5));
    BOOST_TEST((near.end == (hard ? End::Reset : End::Fin)));
  }
}

BOOST_AUTO_TEST_CASE(clients_and_backend_agree_where_nothing_stands_between_them) {
  Stage stage;
  std::vector<std::unique_ptr<WsClient>> websockets;
  std::vector<std::unique_ptr<RequestClient>> requests;
  for (std::uint32_t i = 0; i < 40; ++i) {
    WsClient::Options options{stage.backend.port(), i, i, i % 2 == 0, WsClient::Manner::Prompt, {0.1, 0.3, 0.02, 0.02}};
    websockets.push_back(std::make_unique<WsClient>(stage.loop, stage.log, options));
    websockets.back()->connect();
    RequestClient::Options asks{stage.backend.port(), i, i + 100, i % 2 == 0 ? "/poll" : "/slow", 0.05};
    requests.push_back(std::make_unique<RequestClient>(stage.loop, stage.log, asks));
    requests.back()->start();
  }
  stage.loop.run_for(3);
  for (const auto& client : websockets) client->stop_sending();
  stage.backend.stop_sending();
  for (const auto& client : requests) client->leave();
  stage.loop.run_for(1);
  stage.log.ended = stage.loop.now();
  for (const auto& client : websockets) client->leave();
  stage.loop.run_for(0.5);
  for (const auto& found : {nothing_is_torn(stage.log), client_messages_arrive(stage.log),
                            backend_messages_arrive(stage.log), requests_are_answered(stage.log)}) {
    BOOST_TEST(found.empty(), (found.empty() ? "" : found[0]));
  }
  for (const auto& client : websockets) BOOST_TEST(client->gone());
}

BOOST_AUTO_TEST_CASE(event_streams_come_through_a_relay_that_only_relays) {
  const auto log = streams_through([](std::string_view bytes) { return std::string(bytes); });
  BOOST_TEST(log.last_event > 20);
  for (const auto& found : {nothing_is_torn(log), events_come_once(log)}) {
    BOOST_TEST(found.empty(), (found.empty() ? "" : found[0]));
  }
}

BOOST_AUTO_TEST_CASE(a_relay_that_cuts_an_event_stream_is_found) {
  auto left = std::make_shared<int>(200);
  const auto log = streams_through([left](std::string_view bytes) { return (*left)-- == 0 ? "" : std::string(bytes); });
  BOOST_TEST(!nothing_is_torn(log).empty());
}

BOOST_AUTO_TEST_CASE(a_relay_that_changes_a_byte_of_an_event_stream_is_found) {
  auto left = std::make_shared<int>(200);
  const auto log = streams_through([left](std::string_view bytes) {
    std::string out(bytes);
    const auto at = out.find("data: ");
    if (--*left < 0 && at != std::string::npos) out[at + 2] = 'x';
    return out;
  });
  BOOST_TEST((!nothing_is_torn(log).empty() || !events_come_once(log).empty()));
}

}  // namespace limpet::e2e
