// SPDX-License-Identifier: Apache-2.0
// IdleUpstream: a connection to a backend between two requests, whoever it is kept for (upstream_pool.h,
// bound_upstreams.h). It has nothing to say: whatever there is to read, its end or a byte, ends it, and so does its
// keepalive_timeout. Owned by its keeper; used by the worker's thread.
#pragma once

#include <memory>

#include "proxy/base/recycled.h"
#include "proxy/base/timer_wheel.h"
#include "proxy/net/stream.h"
#include "proxy/session/owned.h"
#include "proxy/session/pool.h"

namespace limpet::session {

class Worker;

// The connection of one client, as what is kept for it alone sees it.
class UpstreamOwner {
 public:
  // A connection to a backend on which this client's user is or would be logged in has ended, or will not be kept. A
  // login that has begun must not go on over another one: no request follows on the client's connection, so that it
  // begins anew.
  virtual void login_lost() = 0;

 protected:
  ~UpstreamOwner() = default;
};

class IdleUpstream final : public Owned, public Recycled<IdleUpstream>, private net::StreamHandler, private Timer {
 public:
  class Keeper {
   public:
    // It is of no use any more; it may be retired from within the call. `spoke`: it said something that nobody had
    // asked for.
    virtual void ended(IdleUpstream& idle, bool spoke) = 0;

   protected:
    ~Keeper() = default;
  };

  // `client`: whose alone it is; null: anyone's.
  IdleUpstream(Worker& worker, Keeper& keeper, const Backend& backend, UpstreamOwner* client,
               std::unique_ptr<net::Stream> stream);

  // Called once; then it only waits to be destroyed.
  std::unique_ptr<net::Stream> take();

  const Backend& backend;
  UpstreamOwner* const client;

 private:
  void on_ready(net::Stream& stream, bool readable, bool writable) override;
  void on_timer() override { keeper_.ended(*this, false); }

  Keeper& keeper_;
  std::unique_ptr<net::Stream> stream_;
};

}  // namespace limpet::session
