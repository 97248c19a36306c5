// SPDX-License-Identifier: Apache-2.0
// WsPeer: one end of a WebSocket after its handshake, the same for client and backend: it sends numbered messages at
// random times (small ones, some of a mebibyte, some in fragments with a ping between them and time between the
// fragments), answers pings, and judges everything that arrives. It does not own the Stream, and must not be fed once
// its owner has dropped that.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/deflate.h"
#include "tests/e2e/loop.h"
#include "tests/e2e/message.h"
#include "tests/e2e/stream.h"
#include "tests/e2e/ws_frame.h"

namespace limpet::e2e {

struct Traffic {
  double interval = 1.0;        // mean seconds between messages
  double fragmented = 0.1;      // share of messages sent in fragments
  double fragment_pause = 0.1;  // seconds between fragments
  double big = 0.002;           // share of messages of 1 MiB
};

class WsPeer {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_sent(std::int64_t sequence) = 0;
    virtual void on_message(std::int64_t sequence) = 0;
    virtual void on_close(int code, double unfinished_for) = 0;
    virtual void on_broken(const std::string& what) = 0;
  };

  WsPeer(Loop& loop, Stream& stream, Owner& owner, std::uint32_t connection, Direction sends, bool deflate,
         Traffic traffic);
  ~WsPeer() { stop(); }

  void start();
  void quiet();  // finishes the message under way and starts no other
  void stop();   // touches the stream no more of its own accord
  void send_now(std::size_t size);
  void close(int code);  // after the message that is under way
  void feed(std::string_view bytes);
  bool close_sent() const { return close_sent_; }
  bool in_mid_frame() const { return reader_.in_mid_frame(); }
  bool in_mid_message() const { return unfinished_since_ >= 0; }
  double oldest_unanswered_ping() const { return pings_.empty() ? -1 : pings_.front().sent; }

 private:
  void schedule();
  void send_fragmented();
  void send_next_fragment();
  void finish_fragments();
  void send(Frame frame) { stream_.write(encode(frame, sends_ == Direction::ToBackend)); }
  Frame next_message(std::size_t size);
  void take(Frame& frame);
  void take_data(Frame& frame);
  void take_pong(const std::string& payload);

  struct Ping {
    std::string payload;
    double sent;
  };

  Loop& loop_;
  Stream& stream_;
  Owner& owner_;
  const std::uint32_t connection_;
  const Direction sends_;
  const Traffic traffic_;

  FrameReader reader_;
  std::unique_ptr<Deflater> deflater_;
  std::unique_ptr<Inflater> inflater_;
  std::vector<Frame> fragments_;  // of the message under way, still to be sent
  std::string message_;           // the one being received
  std::deque<Ping> pings_;        // sent, not answered
  std::mt19937 random_;

  Loop::TimerId timer_ = 0;
  Loop::TimerId fragment_timer_ = 0;
  double unfinished_since_ = -1;
  bool message_compressed_ = false;
  bool close_sent_ = false;

  std::int64_t sequence_ = 0;
  std::int64_t ping_number_ = 0;
};

}  // namespace limpet::e2e
