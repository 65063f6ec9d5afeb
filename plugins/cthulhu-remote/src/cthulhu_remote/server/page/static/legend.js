/**
 * The table below a chart: the values of each run at the cursor, or its latest ones.
 */

import * as format from "./format.js";
import { nearest } from "./curves.js";

/** Maximum distance in epochs of a point at the cursor. */
const NEAR = 0.5;
const NOTHING = "–";

function cell(kind, text, className) {
  const element = document.createElement(kind);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

/** The index of a curve's point at the cursor, or of its last value if there is no cursor. */
function indexAt(curve, x) {
  if (x === null) return curve.y.findLastIndex((value) => value !== null);
  const index = nearest(curve.x, x);
  return index >= 0 && Math.abs(curve.x[index] - x) <= NEAR ? index : -1;
}

function textAt(curve, x) {
  const index = curve ? indexAt(curve, x) : -1;
  if (index < 0) return NOTHING;
  return curve.y[index] === null ? "no number" : format.number(curve.y[index]);
}

/**
 * The position of a cursor as text.
 * @param {number | null} x
 * @returns {string}
 */
export function place(x) {
  return x === null ? "latest" : `epoch ${Number(x.toFixed(3))}`;
}

/** The legend of one chart. */
export class Legend {
  /** @param {string} metric */
  constructor(metric) {
    this.metric = metric;
    this.table = document.createElement("table");
    this.table.className = "legend";
    this.caption = cell("caption", "latest");
    this.head = document.createElement("thead");
    this.body = document.createElement("tbody");
    this.table.append(this.caption, this.head, this.body);
    this.columns = [];
    this.rows = [];
  }

  /**
   * Set the runs and curves.
   * @param {object[]} curves with `run`, `name`, `colour`, `kind`, `faint`
   * @param {number} smoothing
   */
  arrange(curves, smoothing) {
    const has = (kind, faint) => curves.some((curve) => curve.kind === kind && curve.faint === faint);
    // Smoothed values have a column beside the original ones.
    this.columns = [
      { kind: "training", faint: smoothing > 0, title: this.metric, style: "solid" },
      { kind: "training", faint: false, title: "smoothed", style: "soft", only: smoothing > 0 },
      { kind: "validation", faint: smoothing > 0, title: `val_${this.metric}`, style: "dashed" },
      { kind: "validation", faint: false, title: "smoothed", style: "soft", only: smoothing > 0 },
      { kind: "batch", faint: true, title: "batch", style: "soft" },
    ].filter((column) => column.only !== false && has(column.kind, column.faint));
    const titles = this.columns.map(({ title, style }) => cell("th", title, style));
    for (const title of titles) title.title = title.textContent;
    const heads = [cell("th", "run"), ...titles];
    for (const head of heads) head.scope = "col";
    const row = document.createElement("tr");
    row.append(...heads);
    this.head.replaceChildren(row);
    const runs = new Map(curves.map((curve) => [curve.run, curve]));
    this.rows = [...runs.values()].map((curve) => this.row(curve)).reverse();
    this.body.replaceChildren(...this.rows.map(({ element }) => element));
  }

  row({ run, name, colour }) {
    const element = document.createElement("tr");
    element.dataset.colour = colour;
    const head = cell("th", name, "legend-run");
    head.scope = "row";
    head.title = name;
    const cells = this.columns.map(({ style }) => cell("td", NOTHING, style));
    element.append(head, ...cells);
    return { run, name, element, cells };
  }

  /**
   * Show the values at a position.
   * @param {object[]} curves
   * @param {number | null} x in epochs; null for the last ones
   */
  show(curves, x) {
    this.caption.textContent = place(x);
    for (const { run, cells } of this.rows) {
      this.columns.forEach(({ kind, faint }, index) => {
        const found = curves.find((curve) => curve.run === run && curve.kind === kind && curve.faint === faint);
        const text = textAt(found, x);
        if (cells[index].textContent !== text) cells[index].textContent = text;
      });
    }
  }

  /** @returns {string} the table as a sentence, for screen readers */
  read() {
    const reading = ({ name, cells }) => {
      const values = cells.map((one, index) => `${this.columns[index].title} ${one.textContent}`);
      return `${name}: ${values.filter((value) => !value.endsWith(NOTHING)).join(", ")}`;
    };
    const isThere = ({ cells }) => cells.some((one) => one.textContent !== NOTHING);
    const runs = this.rows.filter(isThere).map(reading);
    return `${this.caption.textContent}. ${runs.join(". ")}`;
  }
}
