// Turns values into words: numbers, dates, sizes and the gallery's own sentences.

import { element, fill } from "./elements.js";
import { LANGUAGE, words } from "./language.js";

/** @typedef {import("./language.js").Key} Key */

const dates = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "long" });
const moments = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "long", timeStyle: "short" });
const months = new Intl.DateTimeFormat(LANGUAGE, { month: "long", year: "numeric" });
const years = new Intl.DateTimeFormat(LANGUAGE, { year: "numeric" });
const numbers = new Intl.NumberFormat(LANGUAGE);
const plurals = new Intl.PluralRules(LANGUAGE);

/** A web address in running text; punctuation that ends a sentence is not part of it. */
const ADDRESS = /https?:\/\/[^\s<>"]+[^\s<>"'.,;:!?)\]}]/g;

/**
 * A sentence in the reader's language, its `{gaps}` filled.
 *
 * @param {Key} key
 * @param {Record<string, string | number>} [gaps]
 * @returns {string}
 */
export function say(key, gaps = {}) {
  const sentence = words[key];
  const chosen = typeof sentence === "string" ? sentence : (sentence[plurals.select(Number(gaps.n))] ?? sentence.other);
  return chosen.replace(/\{(\w+)\}/g, (_, gap) => {
    const value = gaps[gap] ?? "";
    return typeof value === "number" ? number(value) : value;
  });
}

/** Puts the words of index.html, which stand there in English, into the reader's language. */
export function translatePage() {
  for (const node of document.querySelectorAll("[data-say]")) fill(node, say(/** @type {Key} */ (node.getAttribute("data-say"))));
  for (const node of document.querySelectorAll("[data-name]")) node.setAttribute("aria-label", say(/** @type {Key} */ (node.getAttribute("data-name"))));
}

/** @param {number} value */
export function number(value) {
  return numbers.format(value);
}

/** @param {number} time */
export function date(time) {
  return dates.format(time);
}

/** @param {number} time */
export function moment(time) {
  return moments.format(time);
}

/** @param {number} time */
export function month(time) {
  return months.format(time);
}

/** @param {number} time */
export function year(time) {
  return years.format(time);
}

/**
 * A round length in words: `30 sec`, `10 min`.
 *
 * @param {number} seconds
 */
export function span(seconds) {
  const minutes = seconds >= 60 && seconds % 60 === 0;
  return new Intl.NumberFormat(LANGUAGE, { style: "unit", unit: minutes ? "minute" : "second", unitDisplay: "short" }).format(minutes ? seconds / 60 : seconds);
}

/**
 * `0:07`, `12:03`, `1:02:03`.
 *
 * @param {number} seconds
 */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/**
 * Decimal units, as Discord and most file managers show them.
 *
 * @param {number} bytes
 */
export function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** step;
  const digits = step > 0 && value < 10 ? 1 : 0;
  return new Intl.NumberFormat(LANGUAGE, { style: "unit", unit: units[step], unitDisplay: step ? "short" : "long", maximumFractionDigits: digits }).format(value);
}

/**
 * Somebody's text with its web addresses as links, everything else as it was typed.
 *
 * @param {string} text
 * @returns {(string | HTMLElement)[]}
 */
export function linked(text) {
  /** @type {(string | HTMLElement)[]} */
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    parts.push(text.slice(end, match.index));
    parts.push(element("a", { attributes: { href: match[0], target: "_blank", rel: "noopener noreferrer nofollow" } }, match[0]));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}

/** What no system takes in a name, what means a path on one, and marks that would show a name as another. */
const UNSAVABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\\/:*?"<>|]/gu;

/** Windows opens these as devices, whatever follows the dot. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Bytes; file systems end at 255, and browsers add a number to a name that is taken. */
const LONGEST_NAME = 200;

/**
 * The name under which a file is saved: the one it was posted under as far as every system takes it.
 *
 * @param {{ Filename: string, Extension: string }} entry
 */
export function savedName(entry) {
  const clean = (/** @type {string} */ part) => part.replace(UNSAVABLE, "_");
  const extension = entry.Extension && `.${shortened(clean(entry.Extension), 20)}`;
  const stem = shortened(clean(entry.Filename), LONGEST_NAME - new TextEncoder().encode(extension).length);
  const name = (stem + extension).replace(/^[.\s]+|[.\s]+$/g, "") || "file";
  return DEVICES.test(name) ? `_${name}` : name;
}

/**
 * As many whole letters of a text as fit so many bytes.
 *
 * @param {string} text
 * @param {number} bytes
 */
function shortened(text, bytes) {
  let [taken, size] = ["", 0];
  for (const letter of text) {
    size += new TextEncoder().encode(letter).length;
    if (size > bytes) break;
    taken += letter;
  }
  return taken;
}

/**
 * The name a file was posted under.
 *
 * @param {{ Filename: string, Extension: string }} entry
 */
export function fileName(entry) {
  return entry.Extension ? `${entry.Filename}.${entry.Extension}` : entry.Filename;
}
