/**
 * The page: the data of runs, and the updates of lists and charts when they change.
 */

import { Board } from "./board.js";
import { Choices } from "./choices.js";
import { Connection, fetchRun, fetchRuns } from "./connection.js";
import { Points } from "./points.js";
import { Runs } from "./runs.js";

/** Milliseconds between two ticks of the clock. */
const TICK = 1000;

/** The page. */
class Monitor {
  constructor() {
    this.choices = new Choices();
    /** Newest first. */
    this.summaries = [];
    /** Points of the shown runs. */
    this.points = new Map();
    /** Runs that are being fetched. Events that arrive meanwhile are added afterwards. */
    this.fetching = new Map();
    /** Messages that arrive while all runs are being fetched. Null at other times. */
    this.late = [];
    /** Seconds by which the server's clock is ahead. */
    this.ahead = 0;
    this.runs = new Runs(document, (id, shown) => this.choose(id, shown));
    this.board = new Board(document, () => this.shown(), this.choices);
    this.control();
    window.setInterval(() => this.runs.tick(this.now()), TICK);
    this.connection = new Connection({
      opened: () => this.reload(),
      update: (message) => this.update(message),
      state: (live) => this.tell(live),
    });
  }

  /** Seconds since 1970, by the clock of the server. */
  now() {
    return Date.now() / 1000 + this.ahead;
  }

  /** The runs to draw, oldest first. */
  shown() {
    const { shown, colours } = this.choices;
    return this.summaries
      .filter(({ id }) => shown.has(id) && this.points.has(id))
      .map((summary) => ({ summary, points: this.points.get(summary.id), colour: colours.get(summary.id) }))
      .reverse();
  }

  /** Fetch everything, because events during a lost connection are not repeated. */
  async reload() {
    const late = [];
    this.late = late;
    let answer;
    try {
      answer = await fetchRuns();
    } catch (error) {
      console.debug("the runs cannot be fetched yet:", error.message);
      if (this.late === late) this.connection.again();
      return;
    }
    // The connection was lost and reopened, and a later request is in progress.
    if (this.late !== late) return;
    this.late = null;
    this.ahead = answer.now - Date.now() / 1000;
    this.summaries = answer.runs;
    this.list(new Set(answer.runs.map(({ id }) => id)));
    for (const { id } of answer.runs) if (this.choices.shown.has(id)) this.load(id);
    for (const message of late) this.update(message);
    this.board.refresh();
  }

  /** Fetch the points of a run. */
  async load(id) {
    const late = [];
    this.fetching.set(id, late);
    try {
      const detail = await fetchRun(id);
      // A later request is in progress, or the run is no longer shown.
      if (this.fetching.get(id) !== late || !this.choices.shown.has(id)) return;
      const points = new Points(detail);
      for (const point of late) points.add(point);
      points.part = detail.run.part;
      this.points.set(id, points);
    } catch (error) {
      console.debug(`the run ${id} cannot be fetched yet:`, error.message);
    } finally {
      if (this.fetching.get(id) === late) this.fetching.delete(id);
    }
    const summary = this.summaries.find((one) => one.id === id);
    if (this.points.has(id) && this.isOutdated(id, summary?.part)) this.load(id);
    this.board.refresh();
  }

  /** Handle a message of the stream, or keep it until the list of runs has arrived. */
  update(message) {
    if (this.late) {
      this.late.push(message);
      return;
    }
    const { now, runs, points } = message;
    this.ahead = now - Date.now() / 1000;
    this.replace(runs);
    this.list(new Set(runs.map(({ id }) => id)));
    for (const point of points) {
      this.fetching.get(point.run)?.push(point);
      this.points.get(point.run)?.add(point);
    }
    for (const { id, part } of runs) if (this.isOutdated(id, part)) this.load(id);
    this.board.refresh();
  }

  /** Handle a run that resumed at an earlier position: it lost points, which the stream does not mention. */
  isOutdated(id, part) {
    if (!this.choices.shown.has(id)) return false;
    const known = this.points.get(id);
    return known ? part > known.part : !this.fetching.has(id);
  }

  replace(changed) {
    const known = new Map(this.summaries.map((summary) => [summary.id, summary]));
    for (const summary of changed) known.set(summary.id, summary);
    this.summaries = [...known.values()].sort((a, b) => b.begun - a.begun);
  }

  /** Update the list. */
  list(changed) {
    this.choices.meet(this.summaries.map(({ id }) => id));
    this.runs.update(this.summaries, changed, this.choices, this.now());
    const any = this.summaries.length > 0;
    document.getElementById("empty").hidden = any;
    document.getElementById("board").hidden = !any;
    const training = this.summaries.filter(({ state }) => state === "training").length;
    document.title = training ? `(${training}) cthulhu monitor` : "cthulhu monitor";
  }

  choose(id, shown) {
    this.choices.ask(id, shown);
    this.list(new Set());
    if (shown) this.load(id);
    else this.points.delete(id);
    this.board.refresh();
  }

  /** Show whether the page is up to date. */
  tell(live) {
    const element = document.getElementById("connection");
    element.textContent = live ? "live" : "reconnecting…";
    element.dataset.state = live ? "live" : "broken";
  }

  /** Connect the controls for drawing. */
  control() {
    const element = (id) => document.getElementById(id);
    const { choices } = this;
    const changed = () => {
      choices.keep();
      this.board.refresh();
    };
    for (const name of ["log", "batches"]) {
      element(name).checked = choices[name];
      element(name).addEventListener("change", (event) => {
        choices[name] = event.target.checked;
        changed();
      });
    }
    const sayWeight = () => {
      element("smoothing-value").textContent = choices.smoothing.toFixed(2);
    };
    element("smoothing").value = choices.smoothing;
    element("smoothing").addEventListener("input", (event) => {
      choices.smoothing = event.target.valueAsNumber;
      sayWeight();
      changed();
    });
    sayWeight();
    element("controls").hidden = false;
    element("controls").addEventListener("submit", (event) => event.preventDefault());
    this.fold(element("runs-details"));
  }

  /** Close the list on a phone, so that the charts come first, unless the reader has opened it. */
  fold(details) {
    details.open = this.choices.open ?? !window.matchMedia("(max-width: 50rem)").matches;
    details.querySelector("summary").addEventListener("click", () => {
      this.choices.open = !details.open;
      this.choices.keep();
    });
  }
}

new Monitor();
