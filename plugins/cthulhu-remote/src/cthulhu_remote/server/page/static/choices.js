/**
 * The choices of the reader, stored in the browser if it allows that.
 */

import { assign, COLOURS } from "./colours.js";

const KEY = "cthulhu-monitor";
/** The number of newest runs that are shown when the page is first opened. */
const AT_FIRST = 5;
/** New runs are shown automatically while fewer runs than this are shown. */
const UNASKED = 8;

/** The stored text, or nothing if the browser does not store any. */
function kept() {
  try {
    return JSON.parse(window.localStorage.getItem(KEY)) ?? {};
  } catch (error) {
    // The browser stores nothing, or something that is not ours. The page works without it.
    console.debug("no choices were kept:", error.name);
    return {};
  }
}

function isColour(colour) {
  return Number.isInteger(colour) && colour >= 0 && colour < COLOURS;
}

/** Settings of the charts, and the shown runs with their colours. */
export class Choices {
  constructor() {
    const found = kept();
    this.log = found.log === true;
    this.batches = found.batches !== false;
    this.smoothing = typeof found.smoothing === "number" ? Math.min(0.99, Math.max(0, found.smoothing)) : 0;
    /** Whether the list of runs is open. Null until the reader opens or closes it. */
    this.open = typeof found.open === "boolean" ? found.open : null;
    /** The reader's selection: whether to show a run, by its id. */
    this.asked = new Map(Object.entries(found.asked ?? {}));
    this.colours = new Map(Object.entries(found.colours ?? {}).filter(([, colour]) => isColour(colour)));
    /** Ids of known runs. Null before the first list. */
    this.seen = null;
    this.shown = new Set();
  }

  /** Store the choices if they have changed. */
  keep() {
    const { log, batches, smoothing, open } = this;
    const asked = Object.fromEntries(this.asked);
    const colours = Object.fromEntries(this.colours);
    const text = JSON.stringify({ log, batches, smoothing, open, asked, colours });
    if (text === this.kept) return;
    this.kept = text;
    try {
      window.localStorage.setItem(KEY, text);
    } catch (error) {
      console.debug("choices cannot be kept:", error.name);
    }
  }

  /**
   * Update the known runs: show some new ones automatically, and forget those that are gone.
   * @param {string[]} ids newest first
   */
  meet(ids) {
    const there = new Set(ids);
    for (const id of this.shown) if (!there.has(id)) this.shown.delete(id);
    for (const id of this.asked.keys()) if (!there.has(id)) this.asked.delete(id);
    const unasked = this.seen === null ? ids.slice(0, AT_FIRST) : ids.filter((id) => !this.seen.has(id));
    if (this.seen === null) for (const id of ids) if (this.asked.get(id)) this.shown.add(id);
    for (const id of unasked) if (!this.asked.has(id) && this.shown.size < UNASKED) this.shown.add(id);
    this.seen = there;
    this.colour(ids);
    this.keep();
  }

  /**
   * Show or hide a run.
   * @param {string} id
   * @param {boolean} shown
   */
  ask(id, shown) {
    this.asked.set(id, shown);
    if (shown) this.shown.add(id);
    else this.shown.delete(id);
    this.colour([...this.seen]);
    this.keep();
  }

  /** Assign colours from the oldest run on, so that a new run does not change those of others. */
  colour(ids) {
    const shown = ids.filter((id) => this.shown.has(id)).reverse();
    this.colours = assign(shown, this.colours);
  }
}
