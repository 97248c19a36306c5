// SPDX-License-Identifier: Apache-2.0
// Watch: calls `ready` whenever a descriptor, which its owner keeps open, is readable. For what is rare (listening
// sockets, signals); off until start().
#pragma once

#include <functional>
#include <utility>

#include "proxy/net/loop.h"

namespace limpet::net {

class Watch final : public Pollable {
 public:
  Watch(Loop& loop, int descriptor, std::function<void()> ready)
      : loop_(loop), descriptor_(descriptor), ready_(std::move(ready)) {}
  ~Watch() { stop(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // False where the kernel refuses (errno).
  bool start();
  void stop();

 private:
  void on_poll(std::uint32_t) override { ready_(); }

  Loop& loop_;
  const int descriptor_;
  const std::function<void()> ready_;
  bool started_ = false;
};

}  // namespace limpet::net
