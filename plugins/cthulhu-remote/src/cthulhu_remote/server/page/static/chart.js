/* global uPlot */
/**
 * A chart: the curves of a metric of all shown runs, drawn by uPlot, and the legend below.
 */

import { axisOfEpochs, axisOfValues, colour, rangeOfLog } from "./axes.js";
import { curvesOf, nearest } from "./curves.js";
import { markEnds } from "./ends.js";
import { Legend } from "./legend.js";

/** With fewer epochs than this in view, the cursor also stops at batches. */
const FINE = 3;
/** Minimum distance of points in pixels at which they are marked. */
const ROOMY = 28;
const DASH = [6, 4];
/** The mode of uPlot.join in which gaps expand. */
const EXPAND = 2;
/** The opacity of curves drawn behind others. */
const ALPHA = { batch: 0.26, training: 0.35, validation: 0.35, strong: 1 };

/** One chart. */
export class Chart {
  /**
   * @param {string} metric
   * @param {{cursor: (x: number | null, chart: Chart, announce: boolean) => void, zoom: (range: number[] | null) => void}} board
   */
  constructor(metric, board) {
    this.metric = metric;
    this.board = board;
    this.curves = [];
    this.colours = [];
    this.structure = null;
    this.plot = null;
    this.x = null;
    this.range = [0, 1];
    this.build();
  }

  build() {
    this.element = document.createElement("section");
    this.element.className = "chart";
    const title = document.createElement("h2");
    title.textContent = this.metric;
    this.place = document.createElement("div");
    this.place.className = "plot";
    this.place.tabIndex = 0;
    this.place.setAttribute("role", "group");
    this.place.setAttribute("aria-roledescription", "chart");
    this.place.setAttribute("aria-label", `Chart of ${this.metric}`);
    this.place.setAttribute("aria-describedby", "hint");
    this.place.addEventListener("keydown", (event) => this.key(event));
    this.note = document.createElement("p");
    this.note.className = "note";
    this.note.hidden = true;
    this.legend = new Legend(this.metric);
    const table = document.createElement("div");
    table.className = "legend-frame";
    table.append(this.legend.table);
    this.element.setAttribute("aria-label", this.metric);
    this.element.append(title, this.place, this.note, table);
  }

  /**
   * Draw the current data.
   * @param {{runs: object[], choices: Choices, range: number[], theme: string}} view
   */
  draw(view) {
    this.range = view.range;
    this.curves = view.runs.flatMap((run) =>
      curvesOf(run, this.metric, view.choices).map((curve) => ({
        ...curve,
        run: run.summary.id,
        name: run.summary.name,
        state: run.summary.state,
        colour: run.colour,
      })),
    );
    const data = align(this.curves);
    const parts = this.curves.map(({ run, name, colour, kind, faint }) => [run, name, colour, kind, faint]);
    const structure = JSON.stringify([parts, view.choices.log, view.choices.smoothing > 0, view.theme]);
    if (structure === this.structure && this.plot) this.quietly(() => this.plot.setData(data));
    else this.rebuild(data, view.choices);
    this.structure = structure;
    this.explain(view.choices);
    this.show(this.x);
  }

  /** Explain why the chart is empty, if it is. */
  explain(choices) {
    const values = this.curves.flatMap(({ y }) => (y.some((value) => value !== null) ? [true] : []));
    let words = "";
    if (!this.curves.length) words = "No epoch has ended yet.";
    else if (!values.length && choices.log) words = "None of the values is above 0, so a log scale cannot show them.";
    else if (!values.length) words = "None of the values is a number.";
    this.note.textContent = words;
    this.note.hidden = words === "";
  }

  rebuild(data, choices) {
    this.plot?.destroy();
    this.plot = null;
    this.colours = this.curves.map((curve) => colour(`--run-${curve.colour}`));
    this.legend.arrange(this.curves, choices.smoothing);
    this.place.replaceChildren();
    this.quietly(() => {
      this.plot = new uPlot(this.options(choices), data, this.place);
      // uPlot would draw a little later, and report its cursor then.
      this.plot.batch(() => {});
    });
    this.plot.ctx.canvas.setAttribute("aria-hidden", "true");
  }

  options(choices) {
    return {
      ...this.size(),
      padding: [10, 12, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        points: { show: false },
        bind: { dblclick: () => () => this.board.zoom(null) },
      },
      scales: {
        x: { time: false, range: () => this.range },
        y: choices.log ? { distr: 3, range: (_, low, high) => rangeOfLog(low, high) } : {},
      },
      axes: [axisOfEpochs(), axisOfValues()],
      series: [{}, ...this.curves.map((curve, index) => this.series(curve, this.colours[index]))],
      hooks: {
        draw: [(plot) => markEnds(plot, this.curves, this.colours)],
        setCursor: [(plot) => this.moved(plot)],
        setSelect: [(plot) => this.selected(plot)],
      },
    };
  }

  size() {
    const style = getComputedStyle(this.place);
    return { width: Math.max(160, this.place.clientWidth), height: parseFloat(style.getPropertyValue("--plot-height")) };
  }

  series(curve, stroke) {
    return {
      stroke,
      width: curve.faint ? 1 : 2,
      alpha: ALPHA[curve.faint ? curve.kind : "strong"],
      dash: curve.kind === "validation" ? DASH : undefined,
      points: {
        show: (plot, index) => this.isRoomy(plot, this.curves[index - 1]),
        size: curve.faint ? 3 : 5,
        fill: stroke,
        // The circles of points are never dashed.
        dash: [],
      },
    };
  }

  isRoomy(plot, curve) {
    return curve !== undefined && spacing(plot, curve) >= ROOMY;
  }

  /** Change the plot without treating the moves of its cursor as the reader's. */
  quietly(action) {
    this.quiet = true;
    try {
      if (this.plot) this.plot.batch(action);
      else action();
    } finally {
      this.quiet = false;
    }
  }

  /** The positions at which the cursor stops. */
  stops() {
    const fine = this.range[1] - this.range[0] < FINE;
    const ofEpochs = this.curves.filter((curve) => curve.kind !== "batch");
    const used = fine || !ofEpochs.length ? this.curves : ofEpochs;
    const all = new Set(used.flatMap((curve) => curve.x));
    return [...all].filter((x) => x >= this.range[0] && x <= this.range[1]).sort((a, b) => a - b);
  }

  /** Handle a move of the pointer in the plot. */
  moved(plot) {
    if (this.quiet) return;
    const outside = plot.cursor.left === null || plot.cursor.left < 0;
    this.board.cursor(outside ? null : this.stopAt(plot.posToVal(plot.cursor.left, "x")), this, false);
  }

  stopAt(x) {
    const stops = this.stops();
    return stops[nearest(stops, x)] ?? null;
  }

  selected(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const range = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.board.zoom(range);
  }

  /**
   * Show the cursor and its values.
   * @param {number | null} x in epochs
   */
  show(x) {
    this.x = x;
    if (!this.plot) return;
    const there = x !== null && x >= this.range[0] && x <= this.range[1];
    const left = there ? this.plot.valToPos(x, "x") : -10;
    // A selection ends at the pointer, not at the stop of the cursor.
    if (!this.plot.select.width) this.quietly(() => this.plot.setCursor({ left, top: there ? 0 : -10 }));
    this.legend.show(this.curves, x);
  }

  /** Handle keys, which can do all that the pointer can. */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const action = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      PageUp: () => this.step(-10),
      PageDown: () => this.step(10),
      Home: () => this.step(-Infinity),
      End: () => this.step(Infinity),
      "+": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      Escape: () => {
        this.board.cursor(null, this, false);
        this.board.zoom(null);
      },
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** Move the cursor by a number of stops, starting from the end if there is no cursor yet. */
  step(by) {
    const stops = this.stops();
    if (!stops.length) return;
    const last = stops.length - 1;
    const from = this.x === null ? last + (by < 0 ? 1 : 0) : nearest(stops, this.x);
    this.board.cursor(stops[Math.min(last, Math.max(0, from + by))], this, true);
  }

  /** Scale the range around the cursor. */
  zoom(by) {
    const [low, high] = this.range;
    const middle = this.x ?? (low + high) / 2;
    this.board.zoom([middle - (middle - low) * by, middle + (high - middle) * by]);
  }

  /** Fill the available space. */
  fit() {
    const size = this.size();
    if (!this.plot || (size.width === this.plot.width && size.height === this.plot.height)) return;
    this.quietly(() => this.plot.setSize(size));
    this.show(this.x);
  }

  destroy() {
    this.plot?.destroy();
    this.element.remove();
  }
}

/** Curves for uPlot, with a common x. Gaps extend to the curve's own points, whatever is between them. */
function align(curves) {
  const tables = curves.map(({ x, y }) => [x, y]);
  return curves.length ? uPlot.join(tables, tables.map(() => [0, EXPAND])) : [[]];
}

/** The distance between the points of a curve in pixels. */
function spacing(plot, curve) {
  const { min, max } = plot.scales.x;
  const inView = curve.x.filter((x) => x >= min && x <= max).length;
  return plot.over.clientWidth / Math.max(1, inView);
}
