// SPDX-License-Identifier: Apache-2.0
// Link: one simulated TCP connection between an actor's End and a SimStream of the proxy: two Pipes with latency,
// segments, windows and send buffers, which can be clogged, go dark or be reset. It outlives both ends as long as
// something is on its way. Owned by the world; one thread.
//
// As in Linux: a FIN comes behind what was written; who closes with something unread sends RST and loses what it had
// not sent yet; bytes for an end that is closed come back as RST; RST may destroy what has come and was not read.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "proxy/base/clock.h"
#include "proxy/net/address.h"
#include "tests/sim/actor.h"
#include "tests/sim/dice.h"
#include "tests/sim/event_queue.h"

namespace limpet::sim {

class SimStream;
class World;

// How a link behaves; drawn once, when it is made.
struct LinkNature {
  Duration latency{};
  Duration jitter{};
  Duration grain{1};            // arrivals are at whole ones: what arrives at the same moment makes a batch
  std::size_t send_buffer = 0;  // of the proxy's side
  std::size_t window = 0;       // of each receiver
  enum class Splits : std::uint8_t { Whole, Tiny, AnySize, LastByteLate } splits = Splits::Whole;
  bool reset_destroys = false;  // what the proxy has not read when a RST comes
  bool may_write_short = false;
  bool may_wake_for_nothing = false;
};

// One direction. `queue`: written, not sent yet; `flight`: on the way; `arrived`: not read yet.
struct Pipe {
  struct Segment {
    Time at;
    std::string bytes;
    bool fin = false;
    bool reset = false;
  };
  std::string queue;
  std::deque<Segment> flight;
  std::size_t flying = 0;
  std::string arrived;
  bool fin_wanted = false;  // behind the queue
  bool fin_sent = false;
  bool fin_arrived = false;
  bool reset_sent = false;
  bool reset_arrived = false;
  bool closed = false;  // its receiver is
  std::uint64_t event = 0;
  std::uint64_t total = 0;  // bytes that were written
  std::size_t lost = 0;     // of these never arrived, and nothing will

  std::size_t unacknowledged() const { return queue.size() + flying + lost; }
  void lose_queue() {
    lost += queue.size();
    queue.clear();
  }
};

class Link final : public End, public std::enable_shared_from_this<Link> {
 public:
  enum class Side : std::uint8_t { Actor, Proxy };

  Link(World& world, std::uint64_t id, Actor& actor, const LinkNature& nature, std::uint64_t seed);

  // --- End ---
  void send(std::string_view bytes) override;
  std::size_t unsent() const override { return to_proxy_.queue.size(); }
  void shut() override;
  void reset() override;
  void close() override;
  void reads_at(std::uint64_t bytes_per_second) override;
  std::uint64_t id() const override { return id_; }
  Actor& actor() override { return actor_; }

  // --- the proxy's side ---
  void attach(SimStream& stream) { stream_ = &stream; }
  std::size_t write(const char* bytes, std::size_t size);
  void shut_from_proxy();
  // The stream is destroyed.
  void detach(bool with_reset);
  Pipe& to_proxy() { return to_proxy_; }
  Pipe& to_actor() { return to_actor_; }
  const LinkNature& nature() const { return nature_; }
  Dice& dice() { return dice_; }
  void transmit_to_proxy() { transmit(to_proxy_); }  // the proxy has read
  void probe() {
    probed_ = true;
    mind_darkness();
  }

  // --- the world ---
  // The connection stands: the actor hears so, and bytes may pass; soon, where the proxy has it already.
  void open();
  void open_soon();
  // It does not come about: the actor, a client, hears so.
  void refuse();
  bool is_open() const { return open_; }
  bool has_stream() const { return stream_ != nullptr; }
  SimStream* stream() const { return stream_; }
  void clog();
  void unclog();
  void go_dark();  // nothing passes any more, nobody is told
  // Both ends hear of a RST; what is on the way is lost.
  void break_off();
  // As if the actor's machine had gone: no callback comes any more.
  void abandon();
  bool is_over() const { return over_; }
  bool is_dark() const { return dark_; }
  bool is_clogged() const { return clogged_; }
  bool actor_gone() const { return actor_closed_; }
  bool was_reset_by_actor() const { return to_proxy_.reset_sent; }

  net::Address peer;             // the client's, as the proxy sees it
  std::string backend;           // whom the proxy dialled; "": a client's link
  bool is_check = false;         // of the control loop: a health check
  std::uint32_t last_bytes = 0;  // the last four that the proxy wrote

 private:
  bool stuck() const { return clogged_ || dark_; }
  void transmit(Pipe& pipe);
  void schedule(Pipe& pipe);
  void arrive(Pipe& pipe);
  void arrive_at_actor(const Pipe::Segment& segment);
  void feed_actor();
  void send_reset(Pipe& pipe);
  void tell_closed(bool by_reset);
  void mind_darkness();
  void end_if_over();
  std::size_t segment_size(std::size_t available);

  World& world_;
  const std::uint64_t id_;
  Actor& actor_;
  const LinkNature nature_;
  Dice dice_;
  SimStream* stream_ = nullptr;
  Pipe to_proxy_;
  Pipe to_actor_;
  bool open_ = false;
  bool proxy_closed_ = false;
  bool actor_closed_ = false;  // it has been told, or will be
  bool fin_told_ = false;
  bool clogged_ = false;
  bool dark_ = false;
  bool probed_ = false;
  bool over_ = false;
  bool silent_ = false;  // abandoned
  std::uint64_t rate_ = UINT64_MAX;
  std::uint64_t reading_ = 0;  // the event of a slow reader
};

}  // namespace limpet::sim
