// SPDX-License-Identifier: Apache-2.0
// See demo.h. Prepares what a configuration file would say, explains itself, and hands over to run_proxy.
#include "proxy/demo/demo.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/fd.h"
#include "proxy/demo/backend.h"
#include "proxy/demo/page.h"
#include "proxy/server/process.h"
#include "proxy/session/settings.h"

namespace limpet::demo {

namespace {

constexpr std::uint16_t kAdminPort = 9901;
constexpr std::string_view kPool = "demo";

// A new directory, removed with what is in it.
class TemporaryDirectory final {
 public:
  TemporaryDirectory() {
    std::error_code ignored;
    std::string name = (std::filesystem::temp_directory_path(ignored) / "limpet-demo-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }  // "" where it could not be made

 private:
  std::string path_;
};

// `wanted` (0: any) if 127.0.0.1 has it free at this moment, else 0.
std::uint16_t free_port(std::uint16_t wanted) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(wanted);
  socklen_t size = sizeof address;
  if (::bind(socket.value(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(socket.value(), 1) != 0 ||
      ::getsockname(socket.value(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 0;
  }
  return ntohs(address.sin_port);
}

net::Address loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

// How this program is called from the present directory: "build/limpet"; "limpet" where PATH finds it.
std::string own_command() {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return "limpet";
  const std::string folder = self.parent_path().string();
  const char* const path = ::getenv("PATH");
  if ((":" + std::string(path != nullptr ? path : "") + ":").find(":" + folder + ":") != std::string::npos) {
    return self.filename().string();
  }
  const std::string near = self.lexically_proximate(std::filesystem::current_path(failed)).string();
  const std::string command = failed || near.starts_with("..") ? self.string() : near;
  return command.find('/') == std::string::npos ? "./" + command : command;
}

session::Settings demo_settings(std::uint16_t port, std::uint16_t admin_port, const std::string& directory,
                                const std::vector<std::unique_ptr<DemoBackend>>& backends) {
  session::Settings settings;
  // A demo stops as soon as it is told to.
  settings.proxy.drain_delay = session::milliseconds(0);
  settings.proxy.drain_over = session::milliseconds(500);
  settings.proxy.drain_deadline = session::milliseconds(2000);
  settings.admin.address = loopback(admin_port).text();
  settings.admin.socket = directory.empty() ? "" : directory + "/admin.sock";

  session::ListenerSettings listener;
  listener.name = "demo";
  listener.addresses = {loopback(port)};
  settings.listeners.push_back(std::move(listener));

  auto pool = std::make_shared<session::PoolSettings>();
  pool->name = kPool;
  pool->health.check = session::HealthSettings::Check::Http;
  pool->health.interval = session::milliseconds(1000);
  for (const auto& backend : backends) pool->backends.push_back({backend->name(), loopback(backend->port()), 1});
  settings.pools.push_back(std::move(pool));

  session::RouteSettings route;
  route.pool = kPool;
  route.sse.retry = session::milliseconds(500);
  route.sse.retry_jitter = session::milliseconds(1500);
  settings.routes.push_back(std::make_shared<session::RouteSettings>(route));
  route.path = "/poll";
  route.long_poll.always = true;
  settings.routes.push_back(std::make_shared<session::RouteSettings>(std::move(route)));
  return settings;
}

void print_banner(const std::string& url, const std::string& admin, const std::string& socket,
                  const std::string& command) {
  std::printf(
      "\n"
      "  limpet demo: three backends, one proxy before them. Ctrl-C ends it.\n"
      "\n"
      "    page       %s/\n"
      "    dashboard  %s/\n"
      "    metrics    %s/metrics\n"
      "\n"
      "  Open the page, then in another terminal watch it move:\n"
      "\n"
      "    %s status --admin %s\n"
      "    %s drain demo-1 --over 5s --admin %s\n"
      "    %s ready demo-1 --admin %s\n"
      "\n",
      url.c_str(), admin.c_str(), admin.c_str(), command.c_str(), admin.c_str(), command.c_str(), admin.c_str(),
      command.c_str(), admin.c_str());
  if (!socket.empty()) std::printf("  The admin socket is unix:%s\n\n", socket.c_str());
  std::fflush(stdout);
}

}  // namespace

int run_demo(std::uint16_t port) {
  const std::uint16_t listen_port = free_port(port);
  if (listen_port == 0) {
    std::fprintf(stderr, "limpet demo: port %u is taken; try --port N\n", static_cast<unsigned>(port));
    return EX_UNAVAILABLE;
  }
  const std::uint16_t preferred = listen_port == kAdminPort ? 0 : free_port(kAdminPort);
  const std::uint16_t admin_port = preferred != 0 ? preferred : free_port(0);
  const std::string admin = "http://" + loopback(admin_port).text();
  const std::string command = own_command();

  std::vector<std::unique_ptr<DemoBackend>> backends;
  for (const std::string name : {"demo-1", "demo-2", "demo-3"}) {
    auto backend = DemoBackend::start(
        {.name = name, .cookie = session::SessionCookie{}.name, .page = demo_page(name, admin, command)});
    if (!backend) {
      std::fprintf(stderr, "limpet demo: %s\n", backend.error().what.c_str());
      return EX_UNAVAILABLE;
    }
    backends.push_back(std::move(backend).value());
  }

  const TemporaryDirectory directory;
  const session::Settings settings = demo_settings(listen_port, admin_port, directory.path(), backends);
  print_banner("http://" + loopback(listen_port).text(), admin, settings.admin.socket, command);
  return server::run_proxy(settings);
}

}  // namespace limpet::demo
