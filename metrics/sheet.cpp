// SPDX-License-Identifier: Apache-2.0
// See sheet.h. Families are collected in prometheus-cpp's own types and serialised at the end in one go. The only file
// that includes prometheus-cpp. Names and help texts come from limpet itself; label values may come from a
// configuration and are escaped.
#include "metrics/sheet.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <cassert>
#include <limits>
#include <ostream>
#include <streambuf>
#include <utility>
#include <vector>

namespace limpet::metrics {

namespace {

prometheus::MetricType type_of(Kind kind) {
  switch (kind) {
  case Kind::Counter:
    return prometheus::MetricType::Counter;
  case Kind::Gauge:
    return prometheus::MetricType::Gauge;
  case Kind::Histogram:
    return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
}

// TextSerializer writes a label's value byte by byte through the stream, but its name at once, and a histogram repeats
// them in each of its lines. So all labels but the last are written here, once, in front of the last one's name: same
// text, half the time of a scrape.
prometheus::ClientMetric& add_metric(prometheus::MetricFamily& family, Labels labels) {
  auto& metric = family.metric.emplace_back();
  if (labels.size() == 0) return metric;
  const Label& last = *(labels.end() - 1);
  std::string name;
  for (const Label& label : labels) {
    name += label.name;
    if (&label == &last) break;
    name += "=\"";
    append_escaped(name, label.value);
    name += "\",";
  }
  metric.label.push_back({std::move(name), std::string(last.value)});
  return metric;
}

}  // namespace

// The text so far and the family that is still being filled.
struct Sheet::Writer final : std::streambuf {
  explicit Writer(std::size_t expected_size) { text.reserve(expected_size); }

  void finish_family() {
    prometheus::TextSerializer().Serialize(out, one);
    one.clear();
  }

  std::streamsize xsputn(const char* bytes, std::streamsize size) override {
    text.append(bytes, static_cast<std::size_t>(size));
    return size;
  }
  int_type overflow(int_type byte) override {
    if (!traits_type::eq_int_type(byte, traits_type::eof())) text.push_back(traits_type::to_char_type(byte));
    return traits_type::not_eof(byte);
  }

  std::string text;
  std::ostream out{this};
  std::vector<prometheus::MetricFamily> one;
};

Sheet::Sheet(std::size_t expected_size) : writer_(std::make_unique<Writer>(expected_size)) {}
Sheet::~Sheet() = default;

void Sheet::family(Kind kind, const char* name, const char* help) {
  writer_->finish_family();
  auto& family = writer_->one.emplace_back();
  family.name = name;
  family.help = help;
  family.type = type_of(kind);
}

void Sheet::sample(Labels labels, double value) {
  auto& family = writer_->one.back();
  auto& metric = add_metric(family, labels);
  if (family.type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    assert(family.type == prometheus::MetricType::Gauge);
    metric.gauge.value = value;
  }
}

void Sheet::histogram(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts,
                      double sum) {
  assert(counts.size() == bounds.size() + 1);
  auto& family = writer_->one.back();
  assert(family.type == prometheus::MetricType::Histogram);
  auto& histogram = add_metric(family, labels).histogram;
  histogram.bucket.reserve(counts.size());
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    cumulative += counts[i];
    histogram.bucket.push_back({cumulative, i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity()});
  }
  histogram.sample_count = cumulative;
  histogram.sample_sum = sum;
}

std::string Sheet::take_text() {
  writer_->finish_family();
  return std::exchange(writer_->text, {});
}

}  // namespace limpet::metrics
