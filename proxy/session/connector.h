// SPDX-License-Identifier: Apache-2.0
// Connector: the way from a session to a backend. It picks one for the session's key, takes a kept connection to it or
// opens a new one, and goes on along the ranking where that fails; the reason of each pick is recorded. While a connect
// is under way it hears that the session's key has moved or that the backend has gone down. It knows nothing of what is
// spoken over the connection. Owned by what wants the connection (a block of memory of its own, since it is needed only
// until the answer begins); used by the worker's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "proxy/base/recycled.h"
#include "proxy/base/timer_wheel.h"
#include "proxy/net/stream.h"
#include "proxy/session/affinity.h"
#include "proxy/session/session.h"
#include "proxy/session/upstream_pool.h"

namespace limpet::session {

class Connector final : public Recycled<Connector>, private net::StreamHandler, private Timer {
 public:
  // Where a connection came from.
  enum class Origin : std::uint8_t {
    New,
    Kept,   // it has served requests before
    Bound,  // likewise, and a user of this client may be logged in on it (bound_upstreams.h)
  };

  struct Opened {
    std::unique_ptr<net::Stream> stream;  // has no handler yet
    Origin origin;
    // The key had left the backend that was picked first. A session that was told to leave backend A, but re-picked
    // before it opened there, must not also be told to leave B.
    bool key_moved;
  };

  enum class Failure : std::uint8_t {
    Gone,       // the backend of the learned session no longer serves it
    NoBackend,  // none is available
    Refused,    // nobody else is left to be tried
    TimedOut,   // likewise, and the last did not answer in time
    Local,      // no descriptor, no port
    LoginLost,  // the client's own connection has ended, on which a user may be logged in
  };

  // Each call ends a start() or a reopen(), and may come before that returns: a tail call.
  class Owner {
   public:
    virtual void opened(Opened to) = 0;
    virtual void not_opened(Failure why) = 0;

   protected:
    ~Owner() = default;
  };

  // Which kept connections may serve.
  struct Reuse {
    UpstreamOwner* client = nullptr;        // whose own come first; null: no kept connection serves, only a new one
    UpstreamPool::ClientNumber number = 0;  // upstream_pool.h
    bool shared = true;                     // also those that serve anyone
    bool must_be_silent = false;            // the request could not be repeated: nothing may wait on the connection
  };

  // `record` and `owner` outlive it.
  Connector(Worker& worker, SessionRecord& record, Owner& owner, Reuse reuse)
      : worker_(worker), record_(record), owner_(owner), reuse_(reuse) {}
  ~Connector();

  // What is asked for; filled in before start().
  Affinity::PickRequest& request() { return request_; }

  void start();
  // The connection was of no use, and the session still needs one to its backend; `fresh`: a new one. Where its key has
  // moved meanwhile it picks again.
  void reopen(bool fresh);
  // The session ends. The owner is not called any more.
  void stop();

  // The session was told to leave the backend that it is connecting to, as its key has moved: it picks again. False
  // where it does not, having failed where its key is now, or more to say where it was: it stays, and leaves as soon as
  // it is open and at an end.
  bool key_moved();
  // The checks call this backend down. Who connects to it leaves where another is available; else it waits on.
  void backend_down(const Backend& backend);

  // The backend is that of a learned id.
  bool learned() const { return learned_; }
  // The session cookie's value to be set; "": none.
  const std::string& new_cookie() const { return new_cookie_; }

 private:
  friend class Connecting;
  void on_ready(net::Stream& stream, bool readable, bool writable) override;
  void on_timer() override;
  void pick_again(bool draws_again);
  void picked(const Affinity::Pick& pick);
  void dial(bool fresh);
  void begin_connect(std::unique_ptr<net::Stream> stream);
  std::unique_ptr<net::Stream> end_connect();  // null: none was under way
  void opened(std::unique_ptr<net::Stream> stream, Origin origin);
  void failed(Failure why, int error);
  // The key has moved, and the session can go where it is now.
  bool has_to_follow();
  // A learned session may have more to say to its backend after the key's turn.
  bool may_stay() const { return learned_ && request_.reaches_old_backend; }

  // --- constant after construction ---
  Worker& worker_;
  SessionRecord& record_;
  Owner& owner_;
  Reuse reuse_;
  Affinity::PickRequest request_;
  // --- state ---
  std::string new_cookie_;
  std::unique_ptr<net::Stream> stream_;  // that is connecting
  Connector* previous_ = nullptr;        // of the worker's connects under way
  Connector* next_ = nullptr;
  bool learned_ = false;
  bool key_moved_ = false;
};

// The connects that are under way on a worker, which has one of these.
class Connecting {
 public:
  void backend_down(const Backend& backend);

 private:
  friend class Connector;
  Connector* first_ = nullptr;
};

}  // namespace limpet::session
