// Narrows a view by date, length and spoilers.

import { address } from "./address.js";
import { element, fill } from "./elements.js";
import { date, say, span } from "./text.js";

/** @typedef {import("./address.js").View} View */

/** Lengths that tell a moment from a clip, a clip from a recording, in seconds. */
const LENGTHS = /** @type {const} */ ([[null, 30], [30, 120], [120, 600], [600, null]]);

/**
 * @param {HTMLElement} root
 * @param {View} view
 */
export function drawConditions(root, view) {
  const lengths = LENGTHS.map(([min, max]) => ({ value: `${min ?? ""}-${max ?? ""}`, name: lengthWords(min, max), change: { min, max } }));
  const own = `${view.min ?? ""}-${view.max ?? ""}`;
  if (own !== "-" && !lengths.some(({ value }) => value === own)) lengths.push({ value: own, name: lengthWords(view.min, view.max), change: { min: /** @type {any} */ (view.min), max: /** @type {any} */ (view.max) } });
  fill(
    root,
    element("div", { class: "dates" }, day(view, "from", say("dateFrom")), day(view, "to", say("dateTo"))),
    choices(view, say("length"), own, [{ value: "-", name: say("anyLength"), change: { min: null, max: null } }, ...lengths]),
    choices(view, say("spoilers"), view.spoiler ?? "", [
      { value: "", name: say("spoilersBlurred"), change: { spoiler: null } },
      { value: "no", name: say("spoilersNo"), change: { spoiler: "no" } },
      { value: "only", name: say("spoilersOnly"), change: { spoiler: "only" } },
    ]),
  );
}

/**
 * What is chosen here, in words.
 *
 * @param {View} view
 * @returns {string[]}
 */
export function conditionWords(view) {
  return [
    view.from && say("dateSince", { date: dayWords(view.from) }),
    view.to && say("dateUntil", { date: dayWords(view.to) }),
    (view.min !== null || view.max !== null) && lengthWords(view.min, view.max),
    view.spoiler && say(view.spoiler === "no" ? "spoilersNo" : "spoilersOnly"),
  ].filter((words) => typeof words === "string" && words !== "").map(String);
}

/**
 * @param {View} view
 * @param {"from" | "to"} key
 * @param {string} name
 */
function day(view, key, name) {
  const field = element("input", {
    class: "field",
    attributes: { type: "date", name: key, value: view[key], max: key === "from" ? view.to : null, min: key === "to" ? view.from : null },
    // A date that is half typed has no value and is waited for.
    on: { change: () => (field.value || !field.validity.badInput) && go(view, { [key]: field.value || null }) },
  });
  return element("label", { class: "labelled" }, element("span", {}, name), field);
}

/**
 * @param {View} view
 * @param {string} name
 * @param {string} chosen
 * @param {{ value: string, name: string, change: Partial<View> }[]} all
 */
function choices(view, name, chosen, all) {
  const select = element(
    "select",
    { class: "field", on: { change: () => go(view, all[select.selectedIndex].change) } },
    ...all.map((one) => element("option", { attributes: { value: one.value, selected: one.value === chosen } }, one.name)),
  );
  return element("label", { class: "labelled" }, element("span", {}, name), select);
}

/**
 * @param {View} view
 * @param {Partial<View>} change
 */
function go(view, change) {
  location.hash = address({ ...view, month: null, clip: null, ...change });
}

/**
 * @param {number | null} min
 * @param {number | null} max
 */
function lengthWords(min, max) {
  if (min !== null && max !== null) return say("lengthBetween", { from: span(min), to: span(max) });
  return min === null ? say("shorterThan", { length: span(max ?? 0) }) : say("longerThan", { length: span(min) });
}

/** @param {string} written */
function dayWords(written) {
  return date(new Date(`${written}T00:00`).getTime());
}
