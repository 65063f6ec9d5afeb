/**
 * Which of the colours of monitor.css a run has.
 */

/** How many colours there are. */
export const COLOURS = 8;

/**
 * Give runs a colour, each its own as long as there are enough.
 * @param {string[]} shown ids of runs
 * @param {Map<string, number>} given colours that runs have had; those that are still shown keep theirs
 * @returns {Map<string, number>}
 */
export function assign(shown, given) {
  const colours = new Map(shown.filter((id) => given.has(id)).map((id) => [id, given.get(id)]));
  for (const id of shown) if (!colours.has(id)) colours.set(id, rarest([...colours.values()]));
  return colours;
}

/** The first of the colours that are used least. */
function rarest(used) {
  const counts = Array(COLOURS).fill(0);
  for (const colour of used) counts[colour] += 1;
  return counts.indexOf(Math.min(...counts));
}
