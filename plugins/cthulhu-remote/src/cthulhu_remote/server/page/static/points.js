/**
 * The points of one run, in order, each position once, with a limited number of batches.
 *
 * curves.js makes curves of them.
 */

/** The number of batches above which they are thinned to half of it. */
export const MOST_BATCHES = 10_000;

/**
 * The order of points: by epoch, then by batch. The end of an epoch comes after its batches.
 * @returns {number} negative if `a` is before `b`, 0 at the same position
 */
export function compare(a, b) {
  if (a.epoch !== b.epoch) return a.epoch - b.epoch;
  return (a.batch ?? Infinity) === (b.batch ?? Infinity) ? 0 : (a.batch ?? Infinity) - (b.batch ?? Infinity);
}

/**
 * Insert a point into an ordered list. It replaces a point at the same position.
 * @param {object[]} points changed in place
 * @param {object} point
 */
export function merge(points, point) {
  let low = 0;
  let high = points.length;
  if (high && compare(points[high - 1], point) < 0) low = high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(points[middle], point) < 0) low = middle + 1;
    else high = middle;
  }
  if (low === points.length || compare(points[low], point) !== 0) points.splice(low, 0, point);
  else if (point.time >= points[low].time) points[low] = point;
}

/**
 * Evenly spaced elements of a list, with the first and the last.
 * @param {object[]} points
 * @param {number} limit at least 2
 * @returns {object[]}
 */
export function thinEvenly(points, limit) {
  if (points.length <= limit) return points;
  const stride = (points.length - 1) / (limit - 1);
  return Array.from({ length: limit }, (_, index) => points[Math.round(index * stride)]);
}

/** The points of a run. */
export class Points {
  /** @param {object} detail of a run, as the server sends it; without one there are no points yet */
  constructor(detail = { epochs: [], batches: [] }) {
    this.epochs = [];
    this.batches = [];
    /** Names of values that can be drawn, in order of appearance. */
    this.names = new Set();
    this.largestBatch = -1;
    for (const point of [...detail.epochs, ...detail.batches]) this.add(point);
  }

  /** @param {object} point of an epoch or a batch */
  add(point) {
    const ofBatch = point.batch !== null;
    merge(ofBatch ? this.batches : this.epochs, point);
    if (ofBatch) this.largestBatch = Math.max(this.largestBatch, point.batch);
    if (this.batches.length > MOST_BATCHES) this.batches = thinEvenly(this.batches, MOST_BATCHES / 2);
    for (const [name, value] of Object.entries(point.values)) {
      // The size of a batch is not a metric.
      if (ofBatch && name === "size") continue;
      if (value === null || typeof value === "number") this.names.add(name);
    }
  }
}
