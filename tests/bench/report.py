# SPDX-License-Identifier: Apache-2.0
"""The figures of a run as a table, as JSON, and against the bounds."""

import os
import platform
import statistics
import time

from scenarios import ROWS


def _summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


class Figures:
    """figures[row][proxy]: one per round, in the order of the rounds."""

    def __init__(self, proxies):
        self.proxies = proxies
        self.figures = {}

    def add(self, proxy, found):
        for row, figure in found.items():
            self.figures.setdefault(row, {}).setdefault(proxy, []).append(figure)

    def derive(self):
        """The rows that compare two others, round by round."""
        small = self.figures.get("echo-64-1000", {})
        large = self.figures.get("echo-64-9000", {})
        for proxy in self.proxies:
            pairs = list(zip(large.get(proxy, []), small.get(proxy, [])))
            if pairs:
                self.figures.setdefault("growth-9000", {})[proxy] = [a / b for a, b in pairs]

    def rows(self):
        for row in ROWS:
            of = self.figures.get(row.name)
            if not of:
                continue
            entry = {"row": row.name, "title": row.title, "unit": row.unit, "bound": row.bound, "proxies": {}}
            for proxy in self.proxies:
                if proxy not in of:
                    continue
                entry["proxies"][proxy] = _summary(of[proxy])
                if row.unit == "µs" and "relay" in of:
                    ratios = [mine / floor for mine, floor in zip(of[proxy], of["relay"])]
                    entry["proxies"][proxy]["ratio"] = _summary(ratios)
            yield row, entry

    def broken(self):
        """Sentences about limpet's figures that are beyond their bounds, by the medians."""
        for row, entry in self.rows():
            limpet = entry["proxies"].get("limpet")
            if row.bound is None or limpet is None:
                continue
            figure = limpet if row.absolute else limpet.get("ratio")
            if figure is not None and figure["median"] > row.bound:
                unit = row.unit if row.absolute else "× the relay"
                yield f"{row.title}: {figure['median']:.3g} {unit}, the bound is {row.bound:g}"


def machine():
    model = "?"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {
        "kernel": platform.release(),
        "cpu": model,
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _cell(row, entry, proxy):
    figure = entry["proxies"].get(proxy)
    if figure is None:
        return "-"
    digits = 0 if row.unit == "B" else 2
    text = f"{figure['median']:.{digits}f}"
    spread = figure
    if "ratio" in figure:
        spread = figure["ratio"]
        if proxy == "relay":
            return f"{text} {row.unit}"
        text = f"{spread['median']:.2f}"
        digits = 2
    if len(spread["values"]) > 1:
        text += f" ({spread['min']:.{digits}f}–{spread['max']:.{digits}f})"
    return text + (f" {row.unit}" if "ratio" not in figure else "")


def table(figures):
    """CPU rows: the relay's own figure, then ratios to it within a round: median (least–most)."""
    lines = [["", *figures.proxies, "bound"]]
    for row, entry in figures.rows():
        bound = "" if row.bound is None else f"≤ {row.bound:g}" + (f" {row.unit}" if row.absolute else "")
        lines.append([row.title, *(_cell(row, entry, proxy) for proxy in figures.proxies), bound])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)
