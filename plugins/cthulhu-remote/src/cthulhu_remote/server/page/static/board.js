/**
 * The charts: their list, their shared range, cursor and zoom, and when to draw them.
 */

import { Chart } from "./chart.js";
import { chartNames, position } from "./curves.js";
import { place } from "./legend.js";

/** Minimum number of milliseconds between two drawings, because nobody reads faster. */
const PAUSE = 250;
/** The smallest range of epochs for zooming. */
const CLOSEST = 0.05;

/** The range of the runs' points, in epochs. */
function reach(runs, batches) {
  let low = Infinity;
  let high = -Infinity;
  for (const { points, summary } of runs) {
    const steps = Math.max(summary.steps ?? 1, points.largestBatch + 1);
    const lists = batches ? [points.epochs, points.batches] : [points.epochs];
    for (const list of lists.filter((one) => one.length)) {
      low = Math.min(low, position(list[0], steps));
      high = Math.max(high, position(list[list.length - 1], steps));
    }
  }
  if (low > high) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

/** All charts. */
export class Board {
  /**
   * @param {Document} page
   * @param {() => object[]} runs returns the shown runs, each with `summary`, `points` and `colour`
   * @param {Choices} choices
   */
  constructor(page, runs, choices) {
    this.grid = page.getElementById("charts");
    this.note = page.getElementById("charts-note");
    this.hint = page.getElementById("hint");
    this.whole = page.getElementById("whole");
    this.announcer = page.getElementById("announcer");
    this.runs = runs;
    this.choices = choices;
    this.charts = new Map();
    this.waiting = new Set();
    this.visible = new Set();
    this.zoomed = null;
    this.x = null;
    this.drawn = 0;
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    this.watch();
  }

  watch() {
    const chartOf = (element) => [...this.charts.values()].find((chart) => chart.element === element);
    this.sight = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) this.see(chartOf(target), isIntersecting);
      },
      { rootMargin: "200px" },
    );
    this.room = new ResizeObserver((entries) => {
      for (const { target } of entries) chartOf(target)?.fit();
    });
    this.dark.addEventListener("change", () => this.refresh());
    this.whole.addEventListener("click", () => this.zoom(null));
  }

  see(chart, isVisible) {
    if (!chart) return;
    if (!isVisible) {
      this.visible.delete(chart);
      return;
    }
    this.visible.add(chart);
    if (this.waiting.has(chart)) this.schedule();
  }

  /** Handle a change of the data or the choices. */
  refresh() {
    this.arrange();
    for (const chart of this.charts.values()) this.waiting.add(chart);
    this.schedule();
  }

  /** Add and remove charts so that there is one for each metric of the shown runs. */
  arrange() {
    const runs = this.runs();
    const names = chartNames(runs.map(({ points }) => points.names));
    for (const [name, chart] of this.charts) if (!names.includes(name)) this.remove(name, chart);
    names.forEach((name, index) => {
      const chart = this.charts.get(name) ?? this.add(name);
      const there = this.grid.children[index];
      if (there !== chart.element) this.grid.insertBefore(chart.element, there ?? null);
    });
    let words = "";
    if (!runs.length) words = "No run is selected: select one in the list.";
    else if (!names.length) words = "No values to draw have been reported yet.";
    this.note.textContent = words;
    this.note.hidden = words === "";
    this.hint.hidden = !names.length;
  }

  add(name) {
    const chart = new Chart(name, this);
    this.charts.set(name, chart);
    this.sight.observe(chart.element);
    this.room.observe(chart.element);
    return chart;
  }

  remove(name, chart) {
    this.sight.unobserve(chart.element);
    this.room.unobserve(chart.element);
    this.charts.delete(name);
    this.waiting.delete(chart);
    this.visible.delete(chart);
    chart.destroy();
  }

  /** Draw soon, but not too often. */
  schedule() {
    if (this.timer) return;
    const wait = Math.max(0, this.drawn + PAUSE - performance.now());
    this.timer = window.setTimeout(() => requestAnimationFrame(() => this.draw()), wait);
  }

  /** Draw the visible charts. */
  draw() {
    window.clearTimeout(this.timer);
    this.timer = null;
    const runs = this.runs();
    const theme = this.dark.matches ? "dark" : "light";
    const range = this.zoomed ?? reach(runs, this.choices.batches);
    for (const chart of this.visible) {
      if (this.waiting.delete(chart)) chart.draw({ runs, choices: this.choices, range, theme });
    }
    this.drawn = performance.now();
  }

  /**
   * Move the cursor of all charts.
   * @param {number | null} x in epochs
   * @param {Chart} origin the chart in which it was moved
   * @param {boolean} announce whether screen readers announce the values
   */
  cursor(x, origin, announce) {
    this.x = x;
    for (const chart of this.charts.values()) chart.x = x;
    for (const chart of this.visible) chart.show(x);
    if (announce) this.announcer.textContent = `${origin.metric}, ${origin.legend.read()}`;
  }

  /**
   * Show a range of epochs in all charts.
   * @param {number[] | null} range null for the whole range
   */
  zoom(range) {
    const all = reach(this.runs(), this.choices.batches);
    const clipped = range && [Math.max(all[0], range[0]), Math.min(all[1], range[1])];
    const isWhole = !clipped || (clipped[0] <= all[0] && clipped[1] >= all[1]);
    if (!isWhole && clipped[1] - clipped[0] < CLOSEST) return;
    this.zoomed = isWhole ? null : clipped;
    this.whole.hidden = isWhole;
    this.whole.title = isWhole ? "" : `shown: ${place(clipped[0])} to ${place(clipped[1])}`;
    this.refresh();
    // The next key may move the cursor in the new range.
    this.draw();
  }
}
