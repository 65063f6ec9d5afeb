/**
 * The assignment of colours of monitor.css to runs.
 */

/** The number of colours. */
export const COLOURS = 8;

/**
 * Assign colours to runs, a different one to each as long as there are enough.
 * @param {string[]} shown ids of runs
 * @param {Map<string, number>} given earlier colours, which runs that are still shown keep
 * @returns {Map<string, number>}
 */
export function assign(shown, given) {
  const colours = new Map(shown.filter((id) => given.has(id)).map((id) => [id, given.get(id)]));
  for (const id of shown) if (!colours.has(id)) colours.set(id, rarest([...colours.values()]));
  return colours;
}

/** The first of the least used colours. */
function rarest(used) {
  const counts = Array(COLOURS).fill(0);
  for (const colour of used) counts[colour] += 1;
  return counts.indexOf(Math.min(...counts));
}
