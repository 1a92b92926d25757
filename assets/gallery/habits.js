// How somebody likes to watch: loud or not, fast or not, once or again. Kept in this browser alone.

/**
 * @typedef {object} Habits
 * @property {number} volume from 0 to 1
 * @property {boolean} muted
 * @property {number} speed
 * @property {boolean} loop
 * @property {boolean} onwards whether the next piece follows when one has ended
 */

const KEY = "bowerbird-habits";

/** @type {Habits} */
const USUAL = { volume: 1, muted: false, speed: 1, loop: false, onwards: false };

/** @type {Habits} */
export const habits = { ...USUAL, ...remembered() };

/** @param {Partial<Habits>} change */
export function adopt(change) {
  Object.assign(habits, change);
  try {
    localStorage.setItem(KEY, JSON.stringify(habits));
  } catch {
    // Without storage they last as long as the page.
  }
}

/** What was kept, as far as it is of the right kind: whoever can write there could write anything. @returns {Partial<Habits>} */
function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    const known = Object.entries(USUAL).filter(([key, value]) => typeof kept[key] === typeof value);
    const habits = Object.fromEntries(known.map(([key]) => [key, kept[key]]));
    if (!(habits.volume >= 0 && habits.volume <= 1)) delete habits.volume;
    if (!(habits.speed >= 0.25 && habits.speed <= 4)) delete habits.speed;
    return habits;
  } catch {
    return {};
  }
}
