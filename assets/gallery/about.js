// The panel that tells how whole the archive is: totals, when it was last written, and what each channel lacks.

import { element, fill } from "./elements.js";
import { icon } from "./icons.js";
import { date, moment, number, say, size } from "./text.js";

/** @typedef {import("./format.js").Channel} Channel */
/** @typedef {import("./format.js").Manifest} Manifest */

/**
 * @param {HTMLDialogElement} dialog
 * @param {Manifest} manifest
 */
export function openAbout(dialog, manifest) {
  const { totals } = manifest;
  fill(
    dialog,
    element(
      "div",
      { class: "about-head" },
      element("h2", { class: "about-title", attributes: { id: "about-title" } }, element("bdi", {}, manifest.title)),
      element("button", { class: "icon-button", attributes: { type: "button", "aria-label": say("close") }, on: { click: () => dialog.close() } }, icon("close")),
    ),
    element(
      "dl",
      { class: "totals" },
      total(say("items"), number(totals.entries)),
      total(say("size"), size(totals.bytes)),
      total(say("peopleCount"), number(totals.people)),
      total(say("channelCount"), number(manifest.channels.length)),
    ),
    element("p", { class: "about-note" }, say("updated"), " ", element("time", { attributes: { datetime: manifest.publishedAt } }, moment(Date.parse(manifest.publishedAt))), ". ", say(manifest.media === "link" ? "linkMode" : "copyMode")),
    element("h3", { class: "about-part" }, say("coverage")),
    element("ul", { class: "coverage" }, ...[...manifest.channels].sort((a, b) => a.position - b.position).map(coverage)),
  );
  dialog.setAttribute("aria-labelledby", "about-title");
  dialog.showModal();
}

/**
 * A click on the shade around the panel closes it.
 *
 * @param {HTMLDialogElement} dialog
 */
export function closeByShade(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

/**
 * @param {string} name
 * @param {string} value
 */
function total(name, value) {
  return element("div", { class: "total" }, element("dt", {}, name), element("dd", {}, value));
}

/** @param {Channel} channel */
function coverage(channel) {
  const { completeSince, fromStart, holes } = channel.coverage;
  const since = completeSince && date(Date.parse(completeSince));
  const words = !since ? say("notRead") : say(fromStart ? "sinceBeginning" : "since", { date: since });
  const whole = fromStart && !holes.length && since;
  return element(
    "li",
    { class: `covered ${whole ? "whole" : since ? "part" : "none"}` },
    element("span", { class: "covered-sign" }, icon(whole ? "complete" : since ? "waiting" : "gone")),
    element(
      "div",
      { class: "covered-words" },
      element("p", { class: "covered-name" }, element("bdi", {}, channel.name), element("span", { class: "covered-count" }, number(channel.entries))),
      element("p", { class: "covered-since" }, words),
      ...holes.map((hole) => element("p", { class: "covered-hole" }, say("hole", { from: date(Date.parse(hole.from)), to: date(Date.parse(hole.to)), why: reason(hole.why) }))),
    ),
  );
}

/** The service's words for a permission that its bot lacks. */
const PERMISSION = /^the bot lacks the permission (.+)$/;

/**
 * The service gives its reasons in English; those it is known to give are said in the reader's language.
 *
 * @param {string} why
 */
function reason(why) {
  const permission = PERMISSION.exec(why);
  if (permission) return say("holePermission", { name: permission[1] });
  return why === "not read yet" ? say("holeUnread") : why === "deleted on Discord" ? say("holeDeleted") : why;
}
