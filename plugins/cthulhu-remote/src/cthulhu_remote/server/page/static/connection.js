/**
 * What comes from the server: answers to questions, and the stream of updates.
 */

/** Milliseconds until a stream is opened again that the browser has given up. */
const AGAIN = 3000;
/** The most batches of a run that are asked for. */
const BATCHES = 5000;

/** Ask for JSON; a page that is no longer let in goes to where it can say its token. */
async function ask(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (answer.status === 401) window.location.assign("/");
  if (!answer.ok) throw new Error(`${address} was answered with ${answer.status}`);
  return answer.json();
}

/** @returns {Promise<{now: number, runs: object[]}>} all runs, newest first */
export function fetchRuns() {
  return ask("/api/runs");
}

/**
 * @param {string} id of a run
 * @returns {Promise<{run: object, epochs: object[], batches: object[]}>} its summary and points
 */
export function fetchRun(id) {
  return ask(`/api/runs/${encodeURIComponent(id)}?batches=${BATCHES}`);
}

/** The stream of updates, opened again whenever it breaks. */
export class Connection {
  /**
   * @param {{opened: () => void, update: (message: object) => void, state: (live: boolean) => void}} listener
   */
  constructor(listener) {
    this.listener = listener;
    this.open();
    // A page that is put aside keeps no connection: a browser has few for each server.
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  open() {
    this.close();
    const source = new EventSource("/api/events");
    this.source = source;
    source.addEventListener("open", () => {
      this.listener.state(true);
      this.listener.opened();
    });
    source.addEventListener("update", (event) => this.listener.update(JSON.parse(event.data)));
    source.addEventListener("error", () => this.broken(source));
  }

  close() {
    window.clearTimeout(this.timer);
    this.source?.close();
  }

  /** The browser tries again by itself, unless the server answered with something that is no stream. */
  broken(source) {
    if (source.readyState === EventSource.CLOSED) this.again();
    else this.listener.state(false);
  }

  /** Open the stream anew, in a while. */
  again() {
    this.close();
    this.listener.state(false);
    this.timer = window.setTimeout(() => this.look(), AGAIN);
  }

  /** An EventSource does not say why it was refused; an ordinary question does. */
  async look() {
    try {
      await fetchRuns();
    } catch (error) {
      console.debug("the server cannot be asked yet:", error.message);
    }
    this.open();
  }
}
