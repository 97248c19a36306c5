// SPDX-License-Identifier: Apache-2.0
// What the log says while one of these lives: stderr is a file meanwhile. Make no check before text() was read for the
// last time: what a failed one reports would be among it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "proxy/base/fd.h"

namespace limpet::session {

class LogLines {
 public:
  LogLines() { ::dup2(file_.value(), STDERR_FILENO); }
  ~LogLines() { ::dup2(before_.value(), STDERR_FILENO); }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  std::string text() const {
    std::string all(static_cast<std::size_t>(::lseek(file_.value(), 0, SEEK_END)), '\0');
    all.resize(static_cast<std::size_t>(::pread(file_.value(), all.data(), all.size(), 0)));
    return all;
  }
  // How many lines hold `part`.
  std::size_t count(std::string_view part) const {
    const std::string all = text();
    std::size_t n = 0;
    for (auto at = all.find(part); at != std::string::npos; at = all.find(part, all.find('\n', at))) ++n;
    return n;
  }

 private:
  const Fd file_{::memfd_create("log", MFD_CLOEXEC)};
  const Fd before_{::dup(STDERR_FILENO)};
};

}  // namespace limpet::session
