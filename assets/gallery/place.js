// Remembers where in a view one was, so that going back leads there, and a copied address to the same month.

import { address } from "./address.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./grid.js").Spot} Spot */

/** After the last movement, in milliseconds. Browsers take a hundred changes of the history in half a minute, not more. */
const SETTLED = 350;

/**
 * Writes where one is into the history's present entry, whenever the page has come to rest and before a link is followed.
 *
 * @param {Grid} grid
 * @param {() => View} current
 * @param {(month: string | null) => void} changed
 */
export function rememberPlace(grid, current, changed) {
  history.scrollRestoration = "manual";
  let timer = 0;
  const write = () => {
    clearTimeout(timer);
    // While a piece is open over it, the grid stays where it was.
    if (!grid.view || current().clip || grid.isRanked) return;
    const { spot } = grid;
    const view = { ...current(), month: spot?.month ?? null };
    if (view.month !== current().month) changed(view.month);
    history.replaceState({ ...history.state, spot }, "", address(view));
  };
  addEventListener("scroll", () => {
    clearTimeout(timer);
    timer = setTimeout(write, SETTLED);
  }, { passive: true });
  // In the capturing phase: before the link leads to another entry of the history.
  addEventListener("click", (event) => event.target instanceof Element && event.target.closest("a") && write(), { capture: true });
  addEventListener("pagehide", write);
}

/**
 * Where this entry of the history was left; where its address says when it is new.
 *
 * @param {View} view
 * @returns {Spot | null}
 */
export function rememberedPlace(view) {
  return history.state?.spot ?? (view.month ? { month: view.month } : null);
}
