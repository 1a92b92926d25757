// What is looked at, how it is ordered, and a way to somewhere else in it by chance.

import { SORTS, address, changed, isNarrowed } from "./address.js";
import { conditionWords } from "./conditions.js";
import { element, fill } from "./elements.js";
import { icon } from "./icons.js";
import { person } from "./people.js";
import { say } from "./text.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./format.js").Manifest} Manifest */

/**
 * @param {HTMLElement} root
 * @param {Manifest} manifest
 * @param {View} view
 * @param {{ channelName: (id: string) => string, surprise: () => void }} archive
 */
export function drawHeading(root, manifest, view, archive) {
  const place = view.channel && archive.channelName(view.thread ?? view.channel);
  const who = view.person && (person(view.person)?.name ?? say("unknownPerson"));
  const chosen = [place, who, ...conditionWords(view)].filter(Boolean);
  const channel = manifest.channels.find(({ id }) => id === view.channel);
  // Other numbers are not known before everything was gone through.
  const counted = !isNarrowed({ ...view, channel: null });
  const count = counted ? (channel ? channel.entries : manifest.totals.entries) : null;
  // Drawn anew while somebody is choosing, it would take the list away from under them.
  const known = root.querySelector("select");
  const sort = known instanceof HTMLSelectElement && known === document.activeElement ? known : sorting();
  sort.value = view.sort;
  sort.onchange = () => {
    location.hash = changed(view, { sort: SORTS[sort.selectedIndex] });
  };
  fill(
    root,
    element("p", { class: "heading-name" }, ...(chosen.length ? chosen.flatMap((name, at) => [at > 0 && " · ", element("bdi", {}, name)]) : [say("everything")])),
    count !== null && element("p", { class: "heading-count" }, say("entries", { n: count })),
    chosen.length > 0 && element("a", { class: "heading-clear", attributes: { href: address({ kind: view.kind, sort: view.sort }), "aria-label": say("showEverything"), title: say("showEverything") } }, icon("close")),
    element(
      "div",
      { class: "heading-tools" },
      element("button", { class: "icon-button", attributes: { type: "button", id: "surprise", "aria-label": say("surprise"), title: say("surprise") }, on: { click: archive.surprise } }, icon("surprise")),
      sort,
    ),
  );
}

function sorting() {
  return element("select", { class: "field sort", attributes: { id: "sort", "aria-label": say("sort") } }, ...SORTS.map((sort) => element("option", { attributes: { value: sort } }, say(sort))));
}
