// SPDX-License-Identifier: Apache-2.0
// What can go wrong on the data path, as a value: whose fault it was, and what happened. Whether another backend may be
// tried is not said here: that depends on what of the request has been sent, which the exchange knows. No exception
// crosses a folder on the data path; the control path throws nothing either, but collects problems (config/config.h).
#pragma once

#include <cstdint>
#include <string>

namespace limpet {

// Whose fault an error is. Decides the answer (4xx, 502/504 or 500) and the close reason.
enum class Fault : std::uint8_t { Downstream, Upstream, Local };

struct Error {
  Fault fault = Fault::Local;
  std::string what;
  int code = 0;  // errno, where a system call failed on whose reason something depends
};

}  // namespace limpet
