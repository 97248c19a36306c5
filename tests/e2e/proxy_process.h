// SPDX-License-Identifier: Apache-2.0
// ProxyProcess: the limpet binary under test, started with a configuration in a temporary directory of its own and
// stopped (only ever by its own pid) when the object goes. Calls are blocking and short: the admin API answers at once
// or the test fails.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace limpet::e2e {

class ProxyProcess {
 public:
  struct Answer {
    int status = 0;  // 0: no answer
    std::string body;
  };

  // `config` lacks [admin], which is added. Throws where /readyz does not answer 200 in time.
  explicit ProxyProcess(std::string config);
  ~ProxyProcess();
  ProxyProcess(const ProxyProcess&) = delete;
  ProxyProcess& operator=(const ProxyProcess&) = delete;

  Answer admin(const std::string& method, const std::string& path, const std::string& body = "") const;
  bool running();
  int terminate(double seconds);  // SIGTERM; the exit code, or -1 where it had to be killed
  pid_t pid() const { return pid_; }
  std::string log() const;  // its last lines

 private:
  void wait_until_ready();

  std::filesystem::path directory_;
  pid_t pid_ = -1;
  int exit_code_ = -1;
};

}  // namespace limpet::e2e
