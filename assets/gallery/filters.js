// The choice beside the grid: channels by category with their threads, and people.

import { changed } from "./address.js";
import { conditionWords, drawConditions } from "./conditions.js";
import { element, fill } from "./elements.js";
import { icon } from "./icons.js";
import { portrait } from "./people.js";
import { number, say } from "./text.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./format.js").Channel} Channel */
/** @typedef {import("./format.js").Manifest} Manifest */
/** @typedef {import("./format.js").Person} Person */
/** @typedef {import("./format.js").Thread} Thread */

/** Threads shown at once: a forum may have thousands. */
const SHOWN_THREADS = 12;

/** People shown at once: beyond that, one looks by name. */
const SHOWN_PEOPLE = 40;

/** From this number of people on, a field to look by name is worth its room. */
const MANY_PEOPLE = 9;

/** The panel of channels and people. */
export class Filters {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.channels = element("div", { class: "filter-group" });
    this.people = element("ul", { class: "filter-list" });
    this.peopleGroup = element("div", { class: "filter-group" });
    this.wanted = "";
    this.search = element("input", {
      class: "filter-search",
      attributes: { type: "search", placeholder: say("findPerson"), "aria-label": say("findPerson"), autocomplete: "off", spellcheck: "false" },
      on: {
        input: () => {
          this.wanted = this.search.value;
          this.#drawPeople();
        },
      },
    });
    fill(this.peopleGroup, element("h2", { class: "filter-title" }, say("people")), this.search, this.people);
    this.conditions = element("div", { class: "conditions" });
    this.more = element("details", { class: "filter-group more" }, element("summary", { class: "filter-title" }, say("moreFilters")), this.conditions);
    fill(root, this.channels, this.more, this.peopleGroup);
    // Following a link closes the panel where it lies over the grid.
    root.addEventListener("click", (event) => {
      if (event.target instanceof Element && event.target.closest("a") && root.matches(":popover-open")) root.hidePopover();
    });
    /** @type {Map<string, Thread[]>} */
    this.threads = new Map();
    /** @type {Set<string>} */
    this.unfolded = new Set();
    /** @type {Map<string, Person>} */
    this.persons = new Map();
  }

  /**
   * @param {Manifest} manifest
   * @param {View} view
   */
  show(manifest, view) {
    this.manifest = manifest;
    this.view = view;
    this.#drawChannels();
    this.#drawPeople();
    // Drawn anew while somebody is typing a date, it would take the field away from under them.
    if (!this.conditions.contains(document.activeElement)) drawConditions(this.conditions, view);
    if (conditionWords(view).length) this.more.open = true;
  }

  /** @param {Map<string, Person>} persons */
  setPeople(persons) {
    this.persons = persons;
    this.#drawPeople();
  }

  /**
   * @param {string} channel
   * @param {Thread[]} threads
   */
  setThreads(channel, threads) {
    this.threads.set(channel, threads.filter((thread) => thread.entries > 0).sort((a, b) => b.entries - a.entries));
    if (this.view?.channel === channel) this.#drawChannels();
  }

  #drawChannels() {
    if (!this.manifest || !this.view) return;
    const { manifest, view } = this;
    const total = manifest.channels.reduce((sum, channel) => sum + channel.entries, 0);
    const everything = choice({ ...view, channel: null, thread: null }, !view.channel, icon("all"), say("everything"), total);
    const groups = categories(manifest).map(({ name, channels }) =>
      element("div", { class: "filter-category" },
        element("h2", { class: "filter-title" }, element("bdi", {}, name)),
        element("ul", { class: "filter-list" }, ...channels.map((channel) => this.#channel(channel)))));
    fill(this.channels, element("ul", { class: "filter-list" }, everything), ...groups);
  }

  /** @param {Channel} channel */
  #channel(channel) {
    const view = /** @type {View} */ (this.view);
    const current = view.channel === channel.id;
    const row = choice({ ...view, channel: channel.id, thread: null }, current && !view.thread, icon(channel.kind), channel.name, channel.entries);
    if (current) this.#addThreads(row, channel.id, view);
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {string} channel
   * @param {View} view
   */
  #addThreads(row, channel, view) {
    const threads = this.threads.get(channel) ?? [];
    if (!threads.length) return;
    const all = this.unfolded.has(channel);
    const shown = threads.filter((thread, at) => all || at < SHOWN_THREADS || thread.id === view.thread);
    const rows = shown.map((thread) => choice({ ...view, channel, thread: thread.id }, view.thread === thread.id, icon("thread"), thread.name, thread.entries));
    const unfold = () => {
      this.unfolded.add(channel);
      this.#drawChannels();
    };
    const rest = threads.length - shown.length;
    const button = element("button", { class: "filter-more", attributes: { type: "button" }, on: { click: unfold } }, say("moreThreads", { n: rest }));
    row.append(element("ul", { class: "filter-list threads" }, ...rows, rest > 0 && element("li", {}, button)));
  }

  #drawPeople() {
    const view = this.view;
    if (!view) return;
    const wanted = this.wanted.trim().toLocaleLowerCase();
    const people = [...this.persons].filter(([, { name }]) => name.toLocaleLowerCase().includes(wanted));
    people.sort(([a, one], [b, other]) => Number(b === view.person) - Number(a === view.person) || one.name.localeCompare(other.name));
    const rows = people.slice(0, SHOWN_PEOPLE).map(([id, { name }]) => {
      const current = view.person === id;
      // Choosing the one that is chosen lets everybody in again.
      return choice({ ...view, person: current ? null : id }, current, portrait(id, name), name, null);
    });
    this.search.hidden = this.persons.size < MANY_PEOPLE;
    this.peopleGroup.hidden = this.persons.size === 0;
    fill(this.people, ...rows, !rows.length && element("li", { class: "filter-none" }, say("noPerson")));
  }
}

/**
 * @param {View} view
 * @param {boolean} current
 * @param {Node} sign
 * @param {string} name
 * @param {number | null} count
 */
function choice(view, current, sign, name, count) {
  const link = element(
    "a",
    { class: "choice", attributes: { href: changed(view, {}), "aria-current": current && "true" } },
    sign,
    element("bdi", { class: "choice-name" }, name),
    count !== null && element("span", { class: "choice-count" }, number(count)),
  );
  return element("li", {}, link);
}

/**
 * Channels that have something, in the order Discord shows them; with several servers, each server's apart.
 *
 * @param {Manifest} manifest
 */
function categories(manifest) {
  /** @type {Map<string, { name: string, channels: Channel[] }>} */
  const groups = new Map();
  const sorted = manifest.channels.filter((channel) => channel.entries > 0).sort((a, b) => a.position - b.position);
  const several = manifest.guilds.length > 1;
  for (const channel of sorted) {
    const guild = several ? manifest.guilds.find(({ id }) => id === channel.guildId)?.name : null;
    const name = [guild, channel.category ?? (guild ? null : say("channels"))].filter(Boolean).join(" · ");
    const key = `${channel.guildId} ${channel.category ?? ""}`;
    const group = groups.get(key) ?? { name, channels: [] };
    group.channels.push(channel);
    groups.set(key, group);
  }
  return [...groups.values()];
}
