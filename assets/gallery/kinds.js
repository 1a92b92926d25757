// The row of kinds above the grid.

import { KINDS, changed } from "./address.js";
import { element, fill } from "./elements.js";
import { icon } from "./icons.js";
import { say } from "./text.js";

/** @type {Record<import("./format.js").Kind, import("./text.js").Key>} */
const NAMES = { video: "videos", image: "images", audio: "audios", file: "files" };

/**
 * @param {HTMLElement} root
 * @param {import("./address.js").View} view
 */
export function drawKinds(root, view) {
  const all = chip(changed(view, { kind: null }), view.kind === null, "all", say("all"));
  const kinds = KINDS.map((kind) => {
    const current = view.kind === kind;
    // Choosing the one that is chosen lets all kinds in again: on a phone there is no room for "all".
    return chip(changed(view, { kind: current ? null : kind }), current, kind, say(NAMES[kind]));
  });
  fill(root, all, ...kinds);
}

/**
 * @param {string} href
 * @param {boolean} current
 * @param {string} sign
 * @param {string} name
 */
function chip(href, current, sign, name) {
  return element("a", { class: "chip", attributes: { href, "aria-current": current && "true", "aria-label": name } }, icon(sign), element("span", { class: "chip-name" }, name));
}
