/**
 * The axes of a chart, in the colours of monitor.css.
 */

import * as format from "./format.js";

const INCREMENTS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].concat(
  [1, 10, 100, 1000, 10_000, 100_000].flatMap((size) => [size, 2 * size, 5 * size]),
);

/**
 * A colour of monitor.css in the current light or dark theme.
 * @param {string} name of a custom property
 * @returns {string}
 */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** @returns {uPlot.Axis} the x axis, in epochs */
export function axisOfEpochs() {
  const both = axis();
  const label = { label: "epoch", labelSize: 14, labelGap: 0, labelFont: both.font };
  return { ...both, ...label, incrs: INCREMENTS, size: 26, gap: 4, values: (_, splits) => splits.map(tick) };
}

/** @returns {uPlot.Axis} the y axis, wide enough for its numbers */
export function axisOfValues() {
  const values = (_, splits) => splits.map(tick);
  const size = (_, texts) => 18 + 6.6 * Math.max(3, ...(texts ?? []).map((text) => text.length));
  return { ...axis(), values, size, gap: 4 };
}

/** Lines and fonts of both axes. */
function axis() {
  const line = { stroke: colour("--grid"), width: 1 };
  return {
    stroke: colour("--soft"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: line,
    ticks: { ...line, size: 4 },
  };
}

/** A number beside an axis. Log scales have most lines without one. */
function tick(split) {
  return split === null ? "" : format.number(split, 6);
}

/**
 * The range of a log scale, rounded to one digit. uPlot would round to powers of ten.
 * @param {number | null} low the smallest value
 * @param {number | null} high the largest value
 * @returns {(number | null)[]}
 */
export function rangeOfLog(low, high) {
  if (low === null || low === undefined) return [null, null];
  const digit = (value) => 10 ** Math.floor(Math.log10(value));
  const down = Math.floor(low / digit(low)) * digit(low);
  const up = Math.ceil(high / digit(high)) * digit(high);
  return down < up ? [down, up] : [down / 2, up * 2];
}
