// SPDX-License-Identifier: Apache-2.0
// Reads one direction of an HTTP/1.1 connection, strictly: fed with bytes, asked for what they hold, piece by piece.
// What is wrong is sticky and has the name of a check. After a 101 the rest of the bytes is raw.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "tests/sim/actors/http_head.h"

namespace limpet::sim {

class HttpReader {
 public:
  enum class Event {
    More,     // feed it
    Interim,  // a 1xx head other than 101
    Head,     // head(): a request's, or a final answer's
    Body,     // piece(), good until the next call
    End,      // of the message
    Raw,      // piece(), behind the upgrade
    Bad,      // problem()
  };

  explicit HttpReader(Speaks speaks) : speaks_(speaks) {}

  // Answers only: the next answer is to such a request. `upgrade`: 101 would be an answer to it.
  void expect(std::string method, bool upgrade = false) { expected_.push_back({std::move(method), upgrade}); }
  // Requests only: what follows the request that has just ended is no HTTP.
  void turn_raw() { state_ = State::Raw; }

  void feed(std::string_view bytes);
  Event next();

  const Head& head() const { return head_; }
  std::string_view piece() const { return piece_; }
  const std::string& problem() const { return problem_; }
  // Whether something has begun that has not ended.
  bool mid_message() const { return (state_ != State::Start || at_ < in_.size()) && state_ != State::Raw; }

 private:
  enum class State { Start, Length, ChunkSize, ChunkData, ChunkEnd, Trailer, Ended, Raw, Bad };
  struct Expected {
    std::string method;
    bool upgrade;
  };

  Event bad(std::string_view what);
  Event start();
  Event begin_body();
  Event take_body();
  Event chunk_line();
  bool line(std::string_view& found);

  const Speaks speaks_;
  std::deque<Expected> expected_;
  std::string in_;
  std::size_t at_ = 0;  // of in_: what is behind was used
  State state_ = State::Start;
  Head head_;
  std::uint64_t left_ = 0;  // of the body or the chunk
  std::string piece_;
  std::string problem_;
};

}  // namespace limpet::sim
