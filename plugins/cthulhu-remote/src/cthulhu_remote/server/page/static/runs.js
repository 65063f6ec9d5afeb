/**
 * The list of runs, with a row for each, rendered by the server or cloned from the page's template.
 */

import * as format from "./format.js";

/** Set a text only if it differs: most texts do not change from one second to the next. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** One row of the list. */
class Row {
  /**
   * @param {HTMLElement} element
   * @param {(shown: boolean) => void} choose called when the run is chosen, or not any longer
   */
  constructor(element, choose) {
    this.element = element;
    this.part = (name) => element.querySelector(`.run-${name}`);
    this.box = this.part("shown");
    this.box.disabled = false;
    this.box.addEventListener("change", () => choose(this.box.checked));
  }

  /**
   * Show the summary of the run.
   * @param {object} summary
   */
  describe(summary) {
    this.summary = summary;
    const begun = new Date(summary.begun * 1000);
    write(this.part("name"), summary.name);
    write(this.part("begun"), format.beginning(summary.begun));
    this.part("begun").dateTime = begun.toISOString();
    this.part("begun").title = `begun ${begun.toLocaleString()}`;
    write(this.part("epoch"), format.epoch(summary));
    const rate = summary.seconds_per_epoch;
    write(this.part("rate"), rate === null ? "" : `${format.duration(rate)} per epoch`);
    this.describeProgress(summary);
    const address = `/api/runs/${encodeURIComponent(summary.id)}`;
    this.link("csv", `${address}.csv`, `CSV of ${summary.name}`);
    this.link("json", address, `JSON of ${summary.name}`);
  }

  describeProgress(summary) {
    const done = format.progress(summary);
    const bar = this.part("progress");
    bar.hidden = done === null;
    if (done === null) return;
    bar.max = summary.epochs;
    bar.value = done;
    bar.setAttribute("aria-label", `Progress of ${summary.name}`);
  }

  link(name, address, label) {
    this.part(name).href = address;
    this.part(name).setAttribute("aria-label", label);
  }

  /**
   * Show what changes with time.
   * @param {number} now seconds since 1970, by the clock of the server
   */
  tick(now) {
    const silent = format.silence(this.summary, now) !== null;
    write(this.part("state"), format.state(this.summary, now));
    this.part("state").dataset.state = silent ? "silent" : this.summary.state;
    write(this.part("left"), silent ? "" : format.left(this.summary, now));
  }

  /**
   * @param {boolean} shown
   * @param {number | undefined} colour
   */
  mark(shown, colour) {
    this.box.checked = shown;
    if (shown && colour !== undefined) this.element.dataset.colour = colour;
    else delete this.element.dataset.colour;
  }
}

/** The list. */
export class Runs {
  /**
   * @param {Document} page
   * @param {(id: string, shown: boolean) => void} choose called when a run is chosen, or not any longer
   */
  constructor(page, choose) {
    this.list = page.getElementById("runs");
    this.count = page.getElementById("runs-count");
    this.template = page.getElementById("run-template").content.querySelector("li");
    this.choose = choose;
    this.rows = new Map();
    for (const element of this.list.querySelectorAll("li[data-run]")) this.adopt(element.dataset.run, element);
  }

  adopt(id, element) {
    this.rows.set(id, new Row(element, (shown) => this.choose(id, shown)));
    return this.rows.get(id);
  }

  create(id) {
    const element = this.template.cloneNode(true);
    element.dataset.run = id;
    return this.adopt(id, element);
  }

  /**
   * Update the list.
   * @param {object[]} summaries of all runs, newest first
   * @param {Set<string>} changed ids whose summaries are new
   * @param {Choices} choices
   * @param {number} now seconds since 1970, by the clock of the server
   */
  update(summaries, changed, choices, now) {
    const ids = new Set(summaries.map((summary) => summary.id));
    for (const [id, row] of this.rows) if (!ids.has(id)) this.drop(id, row);
    summaries.forEach((summary, index) => {
      const row = this.rows.get(summary.id) ?? this.create(summary.id);
      if (this.list.children[index] !== row.element) {
        this.list.insertBefore(row.element, this.list.children[index] ?? null);
      }
      if (!row.summary || changed.has(summary.id)) row.describe(summary);
      row.mark(choices.shown.has(summary.id), choices.colours.get(summary.id));
      row.tick(now);
    });
    this.tally(summaries, choices);
  }

  drop(id, row) {
    row.element.remove();
    this.rows.delete(id);
  }

  tally(summaries, choices) {
    const training = summaries.filter((summary) => summary.state === "training").length;
    const words = [`${summaries.length}`, `${choices.shown.size} shown`];
    if (training) words.push(`${training} training`);
    write(this.count, words.join(" · "));
  }

  /** Advance the clock in all rows of runs that are training. */
  tick(now) {
    for (const row of this.rows.values()) if (row.summary?.state === "training") row.tick(now);
  }
}
