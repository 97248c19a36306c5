// SPDX-License-Identifier: Apache-2.0
// Idle upstream connections of one worker, kept for the next request to the same backend (RFC 9112 §9.3). One that the
// backend closes, or that says anything unasked, is dropped at once.
//
// What a backend says beyond the end of its answer must never be read as the answer to another client's request. So a
// client gets back the connection that served it last. One that served another client it gets only where the loop has
// waited since that answer ended, and there is nothing to read; and until a backend has been seen to stop where its
// answers end, only after a pause in which a surplus would have come. For some seconds after it has said too much, a
// backend's connections serve nobody without that pause.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "proxy/session/idle_upstream.h"

namespace limpet::session {

class Worker;

class UpstreamPool final : public IdleUpstream::Keeper {
 public:
  // Names a client's connection; 0: nobody, whom no connection has served before. Numbers are given again after four
  // billion others: such a client may get the connection that served the earlier one last, as that one would have.
  using ClientNumber = std::uint32_t;

  explicit UpstreamPool(Worker& worker);
  ~UpstreamPool();

  ClientNumber next_client() { return ++clients_ != 0 ? clients_ : ++clients_; }

  // Null where there is none that may serve this client. With `check`, its own is looked at, too (one more system call:
  // for requests that could not be repeated).
  std::unique_ptr<net::Stream> take(const Backend& backend, ClientNumber client, bool check);
  // `client`: whom it has served last.
  void put(const Backend& backend, ClientNumber client, std::unique_ptr<net::Stream> stream);
  // The backend said more than it was asked for.
  void said_too_much(const Backend& backend);
  // Closes the idle connections to a backend that leaves.
  void drop(const Backend& backend);
  // The same for good: nothing here refers to the backend any more. Requires: it is removed.
  void forget(const Backend& backend);

 private:
  struct Kept {
    std::unique_ptr<IdleUpstream> idle;
    Time since;
    std::uint32_t round;  // of the loop
    ClientNumber client;
  };
  struct Line {            // to one backend
    std::uint32_t number;  // in the order in which they came to be
    std::vector<Kept> kept;
    unsigned silences = 0;  // after how many answers in a row nothing came
    Time suspect_until{};
    // Where the connection is that served a client last, by the end of its number: most clients are found at once.
    std::array<std::uint16_t, 256> place{};
  };

  Line& line_to(const Backend& backend);
  bool may_serve(const Line& line, const Kept& kept, ClientNumber client) const;
  std::unique_ptr<net::Stream> take(Line& line, std::size_t at);
  static void note_place(Line& line, std::size_t at);
  static std::size_t place_of(const Line& line, ClientNumber client);
  static std::unique_ptr<IdleUpstream> remove(Line& line, std::size_t at);
  void reject(const Backend& backend, std::unique_ptr<net::Stream> stream);
  void ended(IdleUpstream& idle, bool spoke) override;

  Worker& worker_;
  std::unordered_map<const Backend*, Line> lines_;
  std::uint32_t line_numbers_ = 0;
  ClientNumber clients_ = 0;
};

}  // namespace limpet::session
