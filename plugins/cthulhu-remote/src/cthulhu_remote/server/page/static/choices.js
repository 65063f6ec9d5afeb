/**
 * What the reader has chosen, kept for the next time where the browser keeps anything.
 */

import { assign, COLOURS } from "./colours.js";

const KEY = "cthulhu-monitor";
/** How many of the newest runs are shown unasked when the page is opened. */
const AT_FIRST = 5;
/** As many runs may be shown before new ones are no longer shown unasked. */
const UNASKED = 8;

/** The kept text, or nothing where the browser refuses to keep any. */
function kept() {
  try {
    return JSON.parse(window.localStorage.getItem(KEY)) ?? {};
  } catch (error) {
    // A browser that keeps nothing, or what it kept is not ours: the page works without.
    console.debug("no choices were kept:", error.name);
    return {};
  }
}

function isColour(colour) {
  return Number.isInteger(colour) && colour >= 0 && colour < COLOURS;
}

/** Settings of the charts, and which runs are shown in which colour. */
export class Choices {
  constructor() {
    const found = kept();
    this.log = found.log === true;
    this.batches = found.batches !== false;
    this.smoothing = typeof found.smoothing === "number" ? Math.min(0.99, Math.max(0, found.smoothing)) : 0;
    /** Whether the list of runs is open; null as long as nobody has said so. */
    this.open = typeof found.open === "boolean" ? found.open : null;
    /** What has been chosen by hand: id to whether it is shown. */
    this.asked = new Map(Object.entries(found.asked ?? {}));
    this.colours = new Map(Object.entries(found.colours ?? {}).filter(([, colour]) => isColour(colour)));
    /** Ids of the runs that have been seen; null before the first list. */
    this.seen = null;
    this.shown = new Set();
  }

  /** Keep what has been chosen, where it differs from what is kept. */
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
   * Take note of the runs that there are: some are shown unasked, those that are gone are forgotten.
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
   * Show a run or not, by hand.
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

  /** Colours in the order of the list, the oldest first, so that a new run leaves those of the others. */
  colour(ids) {
    const shown = ids.filter((id) => this.shown.has(id)).reverse();
    this.colours = assign(shown, this.colours);
  }
}
