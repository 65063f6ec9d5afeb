/**
 * Curves from points: positions, smoothing, thinning. Pure functions that do not touch the page.
 *
 * A curve is two lists of the same length, `x` in epochs and `y`; a y of null is a gap.
 */

const VALIDATION = "val_";
/** The maximum number of points to draw of a curve, more than a screen can show. */
const MOST_DRAWN = 1000;

/**
 * The metric of a name: val_loss and loss share a chart.
 * @param {string} name
 * @returns {string}
 */
export function baseName(name) {
  return name.startsWith(VALIDATION) && name !== VALIDATION ? name.slice(VALIDATION.length) : name;
}

/**
 * The names of charts for the values of runs: the loss first, the others in order of appearance.
 * @param {Iterable<Iterable<string>>} namesOfRuns
 * @returns {string[]}
 */
export function chartNames(namesOfRuns) {
  const found = new Set();
  for (const names of namesOfRuns) for (const name of names) found.add(baseName(name));
  return found.delete("loss") ? ["loss", ...found] : [...found];
}

/**
 * The position of a point: the number of epochs that have passed by then.
 * @param {{epoch: number, batch: number | null}} point
 * @param {number} steps batches in an epoch
 * @returns {number}
 */
export function position(point, steps) {
  return point.batch === null ? point.epoch + 1 : point.epoch + Math.min(1, (point.batch + 1) / steps);
}

/**
 * The curve of a name.
 * @param {object[]} points in order
 * @param {string} name
 * @param {number} steps batches in an epoch
 * @returns {{x: number[], y: (number | null)[]}} without values that are not numbers; null is a gap
 */
export function curve(points, name, steps = 1) {
  const x = [];
  const y = [];
  for (const point of points) {
    const value = Object.hasOwn(point.values, name) ? point.values[name] : undefined;
    if (value !== null && typeof value !== "number") continue;
    x.push(position(point, steps));
    y.push(value);
  }
  return { x, y };
}

/**
 * Exponential moving average, corrected for its start at 0.
 * @param {(number | null)[]} values gaps stay gaps
 * @param {number} weight of earlier values, from 0 (no smoothing) to less than 1
 * @returns {(number | null)[]}
 */
export function smooth(values, weight) {
  let average = 0;
  let forgotten = 1;
  return values.map((value) => {
    if (value === null) return null;
    average = weight * average + (1 - weight) * value;
    forgotten *= weight;
    return average / (1 - forgotten);
  });
}

/**
 * A curve with fewer points that looks the same: the lowest and the highest point of each stretch.
 * @param {{x: number[], y: (number | null)[]}} whole
 * @param {number} limit
 * @returns {{x: number[], y: (number | null)[]}} with both ends, and one gap of each stretch that has any
 */
export function thin(whole, limit = MOST_DRAWN) {
  const count = whole.x.length;
  if (count <= limit) return whole;
  const stretches = Math.max(1, Math.floor((limit - 2) / 3));
  const kept = new Set([0]);
  for (let stretch = 0; stretch < stretches; stretch += 1) {
    const begin = Math.floor((stretch * count) / stretches);
    const end = Math.floor(((stretch + 1) * count) / stretches);
    for (const index of telling(whole.y, begin, end)) kept.add(index);
  }
  kept.add(count - 1);
  const indices = [...kept].sort((a, b) => a - b);
  return { x: indices.map((index) => whole.x[index]), y: indices.map((index) => whole.y[index]) };
}

/** The indices of the lowest value, the highest value and a gap, as far as they exist. */
function telling(y, begin, end) {
  let lowest = -1;
  let highest = -1;
  let gap = -1;
  for (let index = begin; index < end; index += 1) {
    if (y[index] === null) gap = index;
    else {
      if (lowest < 0 || y[index] < y[lowest]) lowest = index;
      if (highest < 0 || y[index] > y[highest]) highest = index;
    }
  }
  return [lowest, highest, gap].filter((index) => index >= 0);
}

/**
 * The part of a curve that a logarithmic scale can show.
 * @param {(number | null)[]} values
 * @returns {(number | null)[]} with gaps for values that are not positive
 */
export function positive(values) {
  return values.map((value) => (value !== null && value > 0 ? value : null));
}

/**
 * The index of the position nearest to another.
 * @param {number[]} positions in ascending order
 * @param {number} wanted
 * @returns {number} -1 if there is none
 */
export function nearest(positions, wanted) {
  let low = 0;
  let high = positions.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (positions[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - positions[low - 1] < positions[low] - wanted ? low - 1 : Math.min(low, high);
}

/**
 * The curves of a run in the chart of a metric, in the order of drawing.
 * @param {{points: Points, summary: object}} run
 * @param {string} metric
 * @param {{log: boolean, smoothing: number, batches: boolean}} choices
 * @returns {{kind: "batch" | "training" | "validation", faint: boolean, x: number[], y: (number | null)[]}[]}
 */
export function curvesOf(run, metric, choices) {
  const steps = Math.max(run.summary.steps ?? 1, run.points.largestBatch + 1);
  const found = [];
  if (choices.batches) found.push({ kind: "batch", faint: true, ...curve(run.points.batches, metric, steps) });
  for (const [kind, name] of [["training", metric], ["validation", VALIDATION + metric]]) {
    const whole = curve(run.points.epochs, name);
    if (choices.smoothing > 0) found.push({ kind, faint: true, ...whole });
    found.push({ kind, faint: false, x: whole.x, y: smooth(whole.y, choices.smoothing) });
  }
  return found
    .filter((one) => one.x.length > 0)
    .map((one) => ({ ...one, ...thin({ x: one.x, y: choices.log ? positive(one.y) : one.y }) }));
}
