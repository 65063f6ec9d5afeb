/**
 * From points to what is drawn: positions, smoothing, thinning. Pure functions: nothing here touches the page.
 *
 * A curve is two lists of the same length, `x` in epochs and `y`; a y of null is a gap.
 */

const VALIDATION = "val_";
/** The most points that are drawn of a curve: more than that a screen cannot show. */
const MOST_DRAWN = 1000;

/**
 * The metric that a name belongs to: val_loss and loss share a chart.
 * @param {string} name
 * @returns {string}
 */
export function baseName(name) {
  return name.startsWith(VALIDATION) && name !== VALIDATION ? name.slice(VALIDATION.length) : name;
}

/**
 * The names of charts for what runs have reported: the loss first, the others as they appeared.
 * @param {Iterable<Iterable<string>>} namesOfRuns
 * @returns {string[]}
 */
export function chartNames(namesOfRuns) {
  const found = new Set();
  for (const names of namesOfRuns) for (const name of names) found.add(baseName(name));
  return found.delete("loss") ? ["loss", ...found] : [...found];
}

/**
 * Where a point stands: the number of epochs that have passed by then.
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
 * @returns {{x: number[], y: (number | null)[]}} what is not a number is left out, null stays as a gap
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
 * Exponential moving average, corrected for its beginning at 0.
 * @param {(number | null)[]} values gaps stay gaps
 * @param {number} weight of what came before, from 0 (nothing changes) to less than 1
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
 * A curve of fewer points that looks the same: of each stretch, its lowest and its highest point.
 * @param {{x: number[], y: (number | null)[]}} whole
 * @param {number} limit
 * @returns {{x: number[], y: (number | null)[]}} the ends are kept, and one gap of each stretch that has any
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

/** The indices of the lowest and the highest value and of a gap, where there are such. */
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
 * What a logarithmic scale can show of a curve.
 * @param {(number | null)[]} values
 * @returns {(number | null)[]} with gaps for what is not positive
 */
export function positive(values) {
  return values.map((value) => (value !== null && value > 0 ? value : null));
}

/**
 * The index of the position nearest to another.
 * @param {number[]} positions in ascending order
 * @param {number} wanted
 * @returns {number} -1 when there is none
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
 * The curves of a run in the chart of a metric, those that are drawn first at the front.
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
