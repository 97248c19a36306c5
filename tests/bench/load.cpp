// SPDX-License-Identifier: Apache-2.0
// The load generator of the benchmark: reads commands from stdin, a line each, and answers each by a line of JSON when
// it is done. tests/bench/run speaks it; what the commands do is told in clients.h.
//
//   bench_load IP PORT
//   open ws|sse|http PATH COUNT WINDOW · echo SIZE SECONDS · each SIZE WINDOW · get PATH SECONDS
//   churn PATH WINDOW SECONDS · quiet SECONDS · events COUNT · close WINDOW · watch SECONDS
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "tests/bench/clients.h"

namespace {

using limpet::bench::Clients;

Clients::Kind kind_of(const std::string& word) {
  if (word == "ws") return Clients::Kind::WebSocket;
  if (word == "sse") return Clients::Kind::Events;
  return Clients::Kind::Http;
}

// False for what is no command.
bool obey(Clients& clients, const std::string& line, std::vector<unsigned>& ends) {
  std::istringstream words(line);
  std::string command, kind, path;
  std::size_t count = 0;
  std::size_t window = 0;
  double seconds = 0;
  words >> command;
  if (command == "open" && words >> kind >> path >> count >> window) {
    clients.open(kind_of(kind), path, count, window);
  } else if (command == "echo" && words >> count >> seconds) {
    clients.echo(count, Clients::Seconds(seconds));
  } else if (command == "each" && words >> count >> window) {
    clients.echo_each(count, window);
  } else if (command == "get" && words >> path >> seconds) {
    clients.get(path, Clients::Seconds(seconds));
  } else if (command == "churn" && words >> path >> window >> seconds) {
    clients.churn(path, window, Clients::Seconds(seconds));
  } else if (command == "quiet" && words >> seconds) {
    clients.quiet(Clients::Seconds(seconds));
  } else if (command == "events" && words >> count) {
    clients.events(count);
  } else if (command == "close" && words >> window) {
    clients.close_all(window);
  } else if (command == "watch" && words >> seconds) {
    ends = clients.watch(Clients::Seconds(seconds));
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace limpet::bench;
  if (argc != 3) give_up("usage: bench_load IP PORT");
  Clients clients(address_of(argv[1], static_cast<std::uint16_t>(std::atoi(argv[2]))));
  std::string line;
  while (std::getline(std::cin, line)) {
    std::vector<unsigned> ends;
    const auto began = Clients::Clock::now();
    if (!obey(clients, line, ends)) {
      std::cerr << "bench_load: no such command: " << line << "\n";
      return 64;
    }
    const double took = Clients::Seconds(Clients::Clock::now() - began).count();
    std::cout << "{\"operations\":" << clients.operations() << ",\"seconds\":" << took
              << ",\"open\":" << clients.open_count() << ",\"failures\":" << clients.failures()
              << ",\"restarts\":" << clients.restarts() << ",\"ends\":[";
    for (std::size_t i = 0; i < ends.size(); ++i) std::cout << (i > 0 ? "," : "") << ends[i];
    std::cout << "]}" << std::endl;
  }
}
