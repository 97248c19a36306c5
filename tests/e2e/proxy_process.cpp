// SPDX-License-Identifier: Apache-2.0
// The binary is the one that CMake built (LIMPET_BINARY), unless the environment variable of that name says otherwise.
#include "tests/e2e/proxy_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "proxy/base/fd.h"
#include "tests/e2e/http_head.h"

#ifndef LIMPET_BINARY
#define LIMPET_BINARY "limpet"
#endif

namespace limpet::e2e {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kLogTail = 4000;

void pause() {
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

std::string binary() {
  const char* given = std::getenv("LIMPET_BINARY");
  return given != nullptr ? given : LIMPET_BINARY;
}

}  // namespace

// Requires: `config` has a [proxy] table.
ProxyProcess::ProxyProcess(std::string config) {
  if (const char* io = std::getenv("LIMPET_IO")) {
    constexpr std::string_view kTable = "[proxy]\n";
    config.insert(config.find(kTable) + kTable.size(), std::string("io = \"") + io + "\"\n");
  }
  std::string pattern = (std::filesystem::temp_directory_path() / "limpet-e2e-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  directory_ = pattern;
  const auto file = directory_ / "limpet.toml";
  std::ofstream(file) << "[admin]\nsocket = \"" << (directory_ / "admin.sock").string() << "\"\n" << config;
  const std::string program = binary();
  pid_ = fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open((directory_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execlp(program.c_str(), "limpet", "run", "-c", file.c_str(), nullptr);
    _exit(127);
  }
  try {
    wait_until_ready();
  } catch (...) {
    terminate(0);
    std::filesystem::remove_all(directory_);
    throw;
  }
}

ProxyProcess::~ProxyProcess() {
  terminate(0);
  std::filesystem::remove_all(directory_);
}

void ProxyProcess::wait_until_ready() {
  const auto end = Clock::now() + std::chrono::seconds(30);
  while (Clock::now() < end) {
    if (!running()) throw std::runtime_error("limpet ended with " + std::to_string(exit_code_) + ":\n" + log());
    if (admin("GET", "/readyz").status == 200) return;
    pause();
  }
  throw std::runtime_error("limpet did not become ready:\n" + log());
}

bool ProxyProcess::running() {
  if (pid_ < 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = -1;
  return false;
}

int ProxyProcess::terminate(double seconds) {
  if (!running()) return exit_code_;
  if (seconds > 0) {
    kill(pid_, SIGTERM);
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (Clock::now() < end) {
      if (!running()) return exit_code_;
      pause();
    }
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  return -1;
}

ProxyProcess::Answer ProxyProcess::admin(const std::string& method, const std::string& path,
                                         const std::string& body) const {
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory_ / "admin.sock").string().copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(socket.value(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  const timeval limit{5, 0};
  ::setsockopt(socket.value(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string request = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  if (method == "POST") {
    request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  request += "\r\n" + body;
  if (::send(socket.value(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string answer;
  std::array<char, 65536> buffer;
  for (ssize_t got = 0; (got = ::recv(socket.value(), buffer.data(), buffer.size(), 0)) > 0;) {
    answer.append(buffer.data(), static_cast<std::size_t>(got));
  }
  const auto head = parse_head(answer);
  if (!head) return {};
  std::string content = answer.substr(head->size);
  if (head->field("transfer-encoding") == "chunked") {
    std::string plain;
    ChunkDecoder().feed(content, plain);
    content = plain;
  }
  return {head->status, content};
}

std::string ProxyProcess::log() const {
  std::ostringstream all;
  all << std::ifstream(directory_ / "log").rdbuf();
  const std::string text = all.str();
  return text.size() > kLogTail ? text.substr(text.size() - kLogTail) : text;
}

}  // namespace limpet::e2e
