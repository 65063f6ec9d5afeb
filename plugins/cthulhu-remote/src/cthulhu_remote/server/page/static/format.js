/**
 * Numbers, times and states as text. Pure functions that do not touch the page.
 */

/** Seconds without an event after which a training counts as silent, unless its epochs are longer. */
const SILENCE = 60;

/**
 * A duration in its two largest units.
 * @param {number} seconds
 * @returns {string} such as "80 ms", "3.2 s", "42 s", "3 min 20 s", "2 h 5 min" or "3 d 4 h"
 */
export function duration(seconds) {
  if (seconds < 0.0995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  const minutes = Math.round(whole / 60);
  if (minutes < 24 * 60) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** Two amounts, without the second one if it is zero. */
function pair(large, largeUnit, small, smallUnit) {
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}

/**
 * A value for a table or an axis.
 * @param {number} value
 * @param {number} digits maximum number of significant digits
 * @returns {string}
 */
export function number(value, digits = 4) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) {
    return value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e");
  }
  return String(Number(value.toPrecision(digits)));
}

/**
 * The beginning of a run: the time of day, with the date unless it is today.
 * @param {number} seconds since 1970
 * @param {Date} today
 * @returns {string}
 */
export function beginning(seconds, today = new Date()) {
  const date = new Date(seconds * 1000);
  const time = { hour: "2-digit", minute: "2-digit" };
  if (date.toDateString() === today.toDateString()) return date.toLocaleTimeString([], time);
  const year = date.getFullYear() === today.getFullYear() ? {} : { year: "numeric" };
  return date.toLocaleString([], { day: "numeric", month: "short", ...year, ...time });
}

/**
 * How long a training has been silent, if it is longer than a minute and than three epochs.
 * @param {object} summary of a run
 * @param {number} now seconds since 1970, by the clock of the server
 * @returns {number | null} seconds
 */
export function silence(summary, now) {
  const since = now - summary.updated;
  const patience = Math.max(SILENCE, 3 * (summary.seconds_per_epoch ?? 0));
  return summary.state === "training" && since > patience ? since : null;
}

/**
 * The state of a run as text.
 * @param {object} summary of a run
 * @param {number} now seconds since 1970, by the clock of the server
 * @returns {string} such as "training", "silent for 3 min" or "failed (ValueError)"
 */
export function state(summary, now) {
  const silent = silence(summary, now);
  if (silent !== null) return `silent for ${coarse(silent)}`;
  return summary.reason ? `${summary.state} (${summary.reason})` : summary.state;
}

/** A duration of a minute or more in its largest unit. */
function coarse(seconds) {
  if (seconds < 3600) return `${Math.max(1, Math.floor(seconds / 60))} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/**
 * The current epoch of a run.
 * @param {object} summary of a run
 * @returns {string} such as "epoch 12 of 30"; empty before the first one
 */
export function epoch(summary) {
  if (summary.epoch === null) return "";
  const of = summary.epochs === null ? "" : ` of ${summary.epochs}`;
  return `epoch ${summary.epoch + 1}${of}`;
}

/**
 * The time left, counted down from the estimate of the server.
 * @param {object} summary of a run
 * @param {number} now seconds since 1970, by the clock of the server
 * @returns {string} empty if it is unknown
 */
export function left(summary, now) {
  if (summary.seconds_left === null || summary.state !== "training") return "";
  const seconds = summary.seconds_left - Math.max(0, now - summary.updated);
  return seconds < 1 ? "about to end" : `${duration(Math.round(seconds))} left`;
}

/**
 * The number of finished epochs of a run, including a fraction for the current one.
 * @param {object} summary of a run
 * @returns {number | null} null if the total number is unknown
 */
export function progress(summary) {
  if (!summary.epochs) return null;
  if (summary.state === "finished") return summary.epochs;
  if (summary.epoch === null) return 0;
  const part = summary.batch !== null && summary.steps ? (summary.batch + 1) / summary.steps : 0;
  return Math.min(summary.epochs, summary.epoch + Math.min(1, part));
}
