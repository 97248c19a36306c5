// SPDX-License-Identifier: Apache-2.0
// See process.h. Reads /proc/self/stat, /proc/self/fd, getrlimit(2) and, for the start of the machine,
// /proc/stat at each scrape; keeps nothing between two scrapes. On the control loop only.
#include "metrics/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

namespace limpet::metrics {

namespace {

struct Stat {
  double cpu_seconds = 0;
  double threads = 0;
  double started = 0;  // seconds after the machine's start
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

// Unix time of the machine's start: the start times of processes count from there.
std::optional<double> boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double value = 0;
    if (word == "btime" && file >> value) return value;
  }
  return std::nullopt;
}

// /proc/self/stat: the fields are numbered from 1, and the second (the name) may hold blanks and brackets.
std::optional<Stat> read_stat() {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(end_of_name + 1));
  std::string state;
  rest >> state;
  const auto tick = static_cast<double>(sysconf(_SC_CLK_TCK));
  Stat stat;
  double value = 0;
  for (int field = 4; field <= 24; ++field) {
    if (!(rest >> value)) return std::nullopt;
    if (field == 14 || field == 15) stat.cpu_seconds += value / tick;
    if (field == 20) stat.threads = value;
    if (field == 22) stat.started = value / tick;
    if (field == 23) stat.virtual_bytes = value;
    if (field == 24) stat.resident_bytes = value * static_cast<double>(sysconf(_SC_PAGESIZE));
  }
  return stat;
}

std::optional<double> open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/fd"), closedir);
  if (!directory) return std::nullopt;
  int entries = 0;
  while (readdir(directory.get()) != nullptr) ++entries;
  return entries - 3;  // ".", ".." and the directory's own
}

void gauge(Sheet& sheet, const char* name, const char* help, double value) {
  sheet.family(Kind::Gauge, name, help);
  sheet.sample({}, value);
}

}  // namespace

void write_process_families(Sheet& sheet) {
  if (const auto stat = read_stat()) {
    sheet.family(Kind::Counter, "process_cpu_seconds_total", "User and system time spent, in seconds.");
    sheet.sample({}, stat->cpu_seconds);
    gauge(sheet, "process_threads", "Threads of the process.", stat->threads);
    static const auto boot = boot_time();
    if (boot) {
      gauge(sheet, "process_start_time_seconds", "Start of the process, unix time.", *boot + stat->started);
    }
    gauge(sheet, "process_virtual_memory_bytes", "Size of the address space.", stat->virtual_bytes);
    gauge(sheet, "process_resident_memory_bytes", "Memory that is resident.", stat->resident_bytes);
  }
  if (const auto open = open_descriptors()) {
    gauge(sheet, "process_open_fds", "File descriptors open.", *open);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    gauge(sheet, "process_max_fds", "File descriptors allowed.", static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace limpet::metrics
