// SPDX-License-Identifier: Apache-2.0
// Relay: what every session does that carries bytes both ways between a client and a backend, whatever they mean: two
// ends, each with its outlet; back-pressure, a peer that stalls, half-close, FIN, and the time that an end takes. What
// the bytes mean, and how one says goodbye in them, is for the class that is derived from RelayOf<itself>: per message
// it is called without indirection (`pass`), and by virtual functions where that is rare.
//
// clang-format off
//             read            pass            outlet
//   client ─────────► scratch ────► observer ────────► backend     and the same from the backend to the client
//
//   What the peer does not take waits in its outlet; beyond high_water the sender is not read.
// clang-format on
//
// Owned by its worker, one thread. An idle one owns no buffer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>

#include "proxy/base/prefetch.h"
#include "proxy/base/timer_wheel.h"
#include "proxy/net/stream.h"
#include "proxy/session/outlet.h"
#include "proxy/session/session.h"
#include "proxy/session/worker.h"

namespace limpet::session {

class Relay : public Session, protected net::StreamHandler, protected Timer {
 public:
  // Ends it now, whatever waits.
  void cut(CloseReason reason) final { finish(reason); }
  SessionRecord& record() final { return *record_; }
  Time last_activity() const final { return std::max(client_.last_heard, backend_.last_heard); }

 protected:
  // The connection to one peer, and the way to it.
  struct End {
    explicit End(std::unique_ptr<net::Stream> connection) : stream(std::move(connection)) {}
    std::unique_ptr<net::Stream> stream;  // null: it is gone, or has been let go
    Time last_heard{};
    [[no_unique_address]] Outlet outlet;  // toward it; what follows lies in its padding
    bool eof : 1 = false;                 // it has sent its FIN, or is not listened to any more
    bool shut : 1 = false;                // we have sent it ours, or will behind what waits
    bool paused : 1 = false;              // not read, since the other end is slow
    bool probed : 1 = false;              // the kernel asks after it where it is silent
  };

  // What the peers have taken of what they were sent.
  struct Delivery {
    bool complete = true;    // all of it
    End* stalled = nullptr;  // it has taken nothing for stall_timeout; the client before the backend
    Time next_look = Time::max();
  };

  Relay(Worker& worker, std::unique_ptr<SessionRecord> record, std::unique_ptr<net::Stream> client, Outlet to_client,
        std::unique_ptr<net::Stream> backend);
  ~Relay() override;

  // --- what the protocol says, where it is rare ---
  // That peer has sent its FIN (end.eof is set).
  virtual void on_fin(End& from) = 0;
  // The connection to it is broken. To be released; what was sent to it may be lost.
  virtual void on_lost(End& end) = 0;
  // One function decides what is due at a moment and when to look again: the two give both halves of its answer.
  // Time::max(): never, unless something else happens.
  virtual Time next_look(Time now) = 0;
  virtual void on_time(Time now) = 0;
  // How much may wait for that end before the other is not read.
  virtual std::uint64_t high_water(const End& to) const;
  // Called once, before the record is finished.
  virtual void before_finish(CloseReason) {}

  // --- and where it is not: a class hides these with its own ---
  // Puts bytes that were held back of what came from there in front of what is read next; says how many.
  static std::size_t put_held(const End&, char*) { return 0; }
  // void pass(End& from, std::string_view bytes): `bytes` came from there, with what was held back before them.

  // --- what a protocol does ---
  End& other(const End& end) { return &end == &client_ ? backend_ : client_; }
  bool is_client(const End& end) const { return &end == &client_; }
  const RouteSettings& route() const { return *record_->route; }
  bool over() const { return over_; }

  // Called once, when the derived class is there: from here on the streams' events are the relay's.
  void listen_to_both();
  void send(End& to, std::string_view bytes) {
    if (to.shut || to.stream == nullptr) return;
    if (to.outlet.send(worker_, *to.stream, bytes) == net::IoStatus::Reset) return lost(to);
    if (!to.outlet.empty()) look_by(stall_due(to));
  }
  // FIN, behind what waits.
  void shut(End& to);
  // Nothing waits for it, or it is gone: what was put off is sent, and if that is refused the session is torn.
  bool all_taken(End& end);
  // Closes the connection. What still waits for it is lost, and the session torn.
  void release(End& end);
  // It has taken nothing for too long, or vanished: what the client has is worthless, and it hears so by RST.
  void release_by_reset(End& end);
  // A peer that vanishes without a word is found by the kernel.
  void probe(End& end);
  void finish_if_done();
  // The first call ends the session for that reason; where a drain has dismissed it and it ended torn, that is a cut.
  void finish(CloseReason reason);

  // --- time ---
  // `to_the_end`: also what waits here no more, but is not acknowledged.
  Delivery delivery(Time now, bool to_the_end);
  // The session has begun to end, and waits (anew) for something of its peers'.
  void begin_wait();
  // When that wait is over, or when to look again, whichever is first: over where it is not later than `now`. It takes
  // `limit` from when all that is ours was acknowledged, and from `heard`, when a peer was heard that stands in the
  // midst of something (Time{}: none does), but neither holds it beyond `cap`.
  Time wait_over(Time now, const Delivery& delivered, Duration limit, Time heard, Time cap);
  void arm();
  void look_by(Time when) { worker_.wheel().arm_no_later(*this, when); }
  Time stall_due(const End& end) const { return end.outlet.stalled_since() + route().http.stall_timeout; }

  void update_interest() {
    // The common case by far: nothing waits, nothing has changed since it was last computed.
    const bool waits = !client_.outlet.empty() || !backend_.outlet.empty();
    if (waits || waited_ || client_.eof != client_eof_seen_ || backend_.eof != backend_eof_seen_) {
      compute_interest(waits);
    }
  }

  Worker& worker_;
  std::unique_ptr<SessionRecord> record_;
  End client_;
  End backend_;
  Time ending_since_{};  // when the session began to end, or will; Time{}: it goes on
  Time owed_at_{};       // in a wait: when a peer was last known to take, or to say, what the wait is held for
  CloseReason end_reason_ = CloseReason::ClientClosed;
  bool dismissed_ : 1 = false;  // it ends since a drain, or an operator, has asked for that
  bool torn_ : 1 = false;       // something that a peer should have got was lost

 private:
  template <typename Self>
  friend class RelayOf;

  void on_refused(net::Stream& stream, net::IoStatus status) final;
  void on_timer() final;
  void lost(End& end) {
    if (!over_) on_lost(end);
  }
  void not_read(End& from, net::IoStatus status);
  void flush(End& to);
  void compute_interest(bool waits);

  bool over_ : 1 = false;
  bool waited_ : 1 = true;  // with the next two: what the interest was last computed from
  bool client_eof_seen_ : 1 = false;
  bool backend_eof_seen_ : 1 = false;
};

// The way of a message. `Self` is the class that is derived from this, and befriends it.
template <typename Self>
class RelayOf : public Relay {
 protected:
  using Relay::Relay;

 private:
  Self& self() { return static_cast<Self&>(*this); }

  void on_ready(net::Stream& stream, bool readable, bool writable) final {
    if (over()) return;
    End& from = &stream == client_.stream.get() ? client_ : backend_;
    if (writable) flush(from);
    if (readable && !over() && from.stream != nullptr && !from.eof) read(from);
    if (!over()) update_interest();
  }

  void read(End& from) {
    prefetch(*record_);
    if (const auto& stream = other(from).stream) __builtin_prefetch(stream.get());
    char* const scratch = worker_.scratch();
    const std::size_t held = self().put_held(from, scratch);
    const net::IoResult got = from.stream->read(scratch + held, Worker::kScratch - held);
    if (got.status != net::IoStatus::Ok) return not_read(from, got.status);
    from.last_heard = worker_.now();
    self().pass(from, {scratch, held + got.n});
  }

  void expect_ready() const final { prefetch(static_cast<const Self&>(*this)); }
};

}  // namespace limpet::session
