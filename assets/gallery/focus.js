// The arrow keys walk over the tiles as they lie on the screen.

/** @typedef {import("./grid.js").Grid} Grid */

/**
 * @param {Grid} grid
 * @param {KeyboardEvent} event
 */
export function moveFocus(grid, event) {
  const from = document.activeElement?.closest(".tile");
  if (!(from instanceof HTMLElement) || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const { placed } = grid;
  const at = placed.findIndex(({ entry }) => entry.Id === from.dataset.id);
  const sideways = getComputedStyle(grid.root).direction === "rtl" ? -1 : 1;
  /** @type {Record<string, () => number>} */
  const ways = { ArrowRight: () => at + sideways, ArrowLeft: () => at - sideways, ArrowDown: () => inRow(placed, at, 1), ArrowUp: () => inRow(placed, at, -1) };
  const to = at < 0 ? undefined : ways[event.key]?.();
  if (to === undefined) return;
  event.preventDefault();
  const next = placed[to];
  if (next) void grid.reveal(next.entry);
}

/**
 * The tile in the row below (1) or above (-1) that lies nearest.
 *
 * @param {Grid["placed"]} placed
 * @param {number} start
 * @param {1 | -1} direction
 */
function inRow(placed, start, direction) {
  const own = placed[start];
  const row = (/** @type {typeof own} */ one) => `${one.month.key} ${one.box.top}`;
  const middle = own.box.left + own.box.width / 2;
  let at = start + direction;
  while (placed[at] && row(placed[at]) === row(own)) at += direction;
  if (!placed[at]) return start;
  const wanted = row(placed[at]);
  let best = at;
  const off = (/** @type {number} */ one) => Math.abs(placed[one].box.left + placed[one].box.width / 2 - middle);
  for (; placed[at] && row(placed[at]) === wanted; at += direction) {
    if (off(at) < off(best)) best = at;
  }
  return best;
}
