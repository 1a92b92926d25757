// Where the parts of the gallery meet: one manifest, one view (from the address), and what shows them.

import { closeByShade, openAbout } from "./about.js";
import { address, clipOf, parseAddress, sameGrid } from "./address.js";
import { byId, element, fill } from "./elements.js";
import { FileMissing } from "./files.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { icon } from "./icons.js";
import { drawKinds } from "./kinds.js";
import { NewerArchive, readManifest } from "./manifest.js";
import { MANY, compare, watch } from "./news.js";
import { person, readPeople } from "./people.js";
import { Player } from "./player.js";
import { find, walkThrough } from "./selection.js";
import { readIndex, whenIndexRead } from "./shards.js";
import { fileName, say, translatePage } from "./text.js";

/** @typedef {import("./address.js").View} View */
/** @typedef {import("./format.js").Manifest} Manifest */
/** @typedef {import("./shards.js").Entry} Entry */

/** A notice is read in this time, in milliseconds; screen readers have said it at once. */
const NOTICE = 4_000;

const about = /** @type {HTMLDialogElement} */ (byId("about"));
const news = byId("news");
const notice = byId("notice");

/** @type {Manifest | null} */
let manifest = null;
/** @type {View} */
let view = parseAddress(location.hash);
/** Whether going back in the browser's history closes the player. */
let openedHere = false;
/** Names of threads, as far as their indexes were read. @type {Map<string, string>} */
const threadNames = new Map();
/** The piece the player shows or showed last. @type {string | null} */
let lastShown = null;
let noticeTimer = 0;

const filters = new Filters(byId("filters"));
const grid = new Grid(byId("grid"), byId("progress"), { manifest: current, renew, channelName });
const player = new Player(/** @type {HTMLDialogElement} */ (byId("player")), { mode: () => current().media, channelName, notify, neighbour, moved, closed });

translatePage();
fill(byId("open-filters"), icon("menu"));
fill(byId("open-about"), icon("info"));
byId("open-about").addEventListener("click", () => manifest && openAbout(about, manifest));
byId("skip").addEventListener("click", () => byId("main").focus());
news.addEventListener("click", showNews);
closeByShade(about);
addEventListener("hashchange", () => follow(parseAddress(location.hash)));
whenIndexRead((index) => {
  for (const thread of index.threads) threadNames.set(thread.id, thread.name);
  filters.setThreads(index.channel, index.threads);
});
watch(() => manifest?.generation ?? null, publish);
await begin();

async function begin() {
  try {
    manifest = await readManifest();
  } catch (error) {
    const words = error instanceof FileMissing ? say("noArchive") : error instanceof NewerArchive ? say("newerArchive") : say("failed", { why: String(error) });
    fill(byId("progress"), words);
    return;
  }
  start();
}

function start() {
  void readPeople(current()).then((people) => filters.setPeople(people), () => {});
  drawFrame();
  // The piece an address names comes first; the grid is read behind it.
  if (view.clip) void openClip(view);
  grid.show(view);
}

/** The manifest, of which every part but this one may assume that it has been read. */
function current() {
  if (!manifest) throw new Error("the manifest has been read before anything is shown");
  return manifest;
}

/**
 * Goes to another view.
 *
 * @param {View} next
 */
function follow(next) {
  const before = view;
  view = next;
  if (!manifest) return;
  if (!sameGrid(before, next)) {
    news.hidden = true;
    drawFrame();
    grid.show(next);
    scrollTo(0, 0);
  }
  if (next.clip) {
    openedHere ||= !before.clip;
    void openClip(next);
  } else {
    openedHere = false;
    leavePlayer();
  }
}

/** @param {View} wanted */
async function openClip(wanted) {
  if (!wanted.clip) return;
  const at = grid.positions.get(wanted.clip.id);
  try {
    const entry = at === undefined ? await findRenewed(wanted.clip) : grid.entries[at];
    if (view !== wanted) return;
    if (entry) player.show(entry);
    else player.say(say("notFound"));
    drawTitle(entry);
  } catch (error) {
    if (view === wanted) player.say(say("failed", { why: error instanceof Error ? error.message : String(error) }));
  }
}

/**
 * Finds an entry, with a fresh manifest when the files of this one are gone.
 *
 * @param {import("./address.js").Clip} clip
 */
async function findRenewed(clip) {
  try {
    return await find(current(), clip);
  } catch (error) {
    if (!(error instanceof FileMissing)) throw error;
    await renew();
    return find(current(), clip);
  }
}

/**
 * The piece after (1) or before (-1) another in the order of the grid, though the grid may not have come to it yet.
 *
 * @param {Entry} entry
 * @param {1 | -1} direction
 * @returns {Promise<Entry | null>}
 */
async function neighbour(entry, direction) {
  const at = grid.positions.get(entry.Id);
  if (at === undefined) return walkThrough(current(), view, direction, entry).next();
  if (at + direction < 0) return null;
  while (at + direction >= grid.entries.length) {
    if (!(await grid.more())) return null;
  }
  return grid.entries[at + direction];
}

/** @param {Entry} entry */
function moved(entry) {
  view = { ...view, clip: clipOf(entry) };
  // Leafing through a hundred pieces must not take a hundred steps back.
  history.replaceState(history.state, "", address(view));
  drawTitle(entry);
}

function closed() {
  if (openedHere) {
    history.back();
    return;
  }
  history.replaceState(history.state, "", address({ ...view, clip: null }));
  follow({ ...view, clip: null });
}

/** Back in the grid, the focus is on the piece that was shown last, wherever leafing led. */
function leavePlayer() {
  const shown = lastShown;
  player.hide();
  drawTitle(null);
  if (shown) grid.tileOf(shown)?.focus();
}

/** @param {Entry | null} entry */
function drawTitle(entry) {
  lastShown = entry?.Id ?? null;
  const parts = [entry ? fileName(entry) : view.channel && channelName(view.thread ?? view.channel), current().title];
  document.title = parts.filter(Boolean).join(" · ");
}

function drawFrame() {
  fill(byId("title"), current().title);
  filters.show(current(), view);
  drawKinds(byId("kinds"), view);
  drawHeading();
  drawTitle(null);
  const chosen = current().channels.find((channel) => channel.id === view.channel);
  // The names of its threads are needed at once, the grid may take longer to come to them.
  if (chosen) readIndex(chosen).then(drawHeading, () => {});
}

function drawHeading() {
  const chosen = [view.channel && channelName(view.thread ?? view.channel), view.person && (person(view.person)?.name ?? say("unknownPerson"))].filter(Boolean);
  const channel = current().channels.find(({ id }) => id === view.channel);
  const count = !view.person && !view.kind && !view.thread ? (channel ? channel.entries : current().totals.entries) : null;
  fill(
    byId("heading"),
    element("p", { class: "heading-name" }, ...(chosen.length ? chosen.flatMap((name, at) => [at > 0 && " · ", element("bdi", {}, name)]) : [say("everything")])),
    count !== null && element("p", { class: "heading-count" }, say("entries", { n: count })),
    chosen.length > 0 && element("a", { class: "heading-clear", attributes: { href: address({ kind: view.kind }), "aria-label": say("showEverything") } }, icon("close")),
  );
}

/**
 * What a channel is called on the page: channels with their sign, threads by their title.
 *
 * @param {string} id
 */
function channelName(id) {
  const channel = manifest?.channels.find((known) => known.id === id);
  if (!channel) return threadNames.get(id) ?? "…";
  return channel.kind === "text" || channel.kind === "announcement" ? `#${channel.name}` : channel.name;
}

/** Reads the manifest anew because a file it named is gone. What it brings is shown beside the work that asked for it. */
async function renew() {
  const before = manifest?.generation;
  manifest = await readManifest();
  if (manifest.generation !== before) void publish(manifest).catch(() => {});
}

/**
 * Takes a new manifest into use without moving anything under the reader.
 *
 * @param {Manifest} fresh
 */
async function publish(fresh) {
  const first = manifest === null;
  manifest = fresh;
  if (first) {
    start();
    return;
  }
  const shownFor = view;
  filters.setPeople(await readPeople(fresh));
  filters.show(fresh, view);
  drawHeading();
  const { count, renewed } = await compare(fresh, view, grid.entries);
  if (!sameGrid(shownFor, view)) return;
  grid.refresh(renewed);
  if (player.entry) renewed.filter((entry) => entry.Id === player.entry?.Id).forEach((entry) => player.show(entry));
  if (count === 0) return;
  fill(news, icon("up"), count > MANY ? say("newsMany", { n: MANY }) : say("news", { n: count }));
  news.hidden = false;
}

function showNews() {
  news.hidden = true;
  grid.show(view);
  scrollTo({ top: 0 });
}

/** @param {string} words */
function notify(words) {
  fill(notice, words);
  notice.classList.add("shown");
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => {
    notice.classList.remove("shown");
    fill(notice);
  }, NOTICE);
}
