/**
 * What stands beside the curves of a chart: its axes, in the colours of monitor.css.
 */

import * as format from "./format.js";

const INCREMENTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].concat(
  [1, 10, 100, 1000, 10_000, 100_000].flatMap((size) => [size, 2 * size, 5 * size]),
);

/**
 * A colour of monitor.css, as it is in the light or in the dark.
 * @param {string} name of a custom property
 * @returns {string}
 */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** @returns {uPlot.Axis} the axis of x, which counts epochs */
export function axisOfEpochs() {
  const both = axis();
  const label = { label: "epoch", labelSize: 14, labelGap: 0, labelFont: both.font };
  return { ...both, ...label, incrs: INCREMENTS, size: 26, gap: 4, values: (_, splits) => splits.map(tick) };
}

/** @returns {uPlot.Axis} the axis of y, as wide as its numbers are long */
export function axisOfValues() {
  const values = (_, splits) => splits.map(tick);
  const size = (_, texts) => 18 + 6.6 * Math.max(3, ...(texts ?? []).map((text) => text.length));
  return { ...axis(), values, size, gap: 4 };
}

/** Lines and letters of both axes. */
function axis() {
  const line = { stroke: colour("--grid"), width: 1 };
  return {
    stroke: colour("--soft"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: line,
    ticks: { ...line, size: 4 },
  };
}

/** A number beside an axis; a log scale leaves most of its lines without one. */
function tick(split) {
  return split === null ? "" : format.number(split, 6);
}

/**
 * The range of a log scale, rounded to one digit: uPlot's own goes to the next power of ten.
 * @param {number | null} low the least value
 * @param {number | null} high the largest one
 * @returns {(number | null)[]}
 */
export function rangeOfLog(low, high) {
  if (low === null || low === undefined) return [null, null];
  const digit = (value) => 10 ** Math.floor(Math.log10(value));
  const down = Math.floor(low / digit(low)) * digit(low);
  const up = Math.ceil(high / digit(high)) * digit(high);
  return down < up ? [down, up] : [down / 2, up * 2];
}
