// Where the parts of the gallery meet: one manifest, one view (from the address), and what shows them.

import { closeByShade, openAbout } from "./about.js";
import { address, clipOf, parseAddress, sameGrid } from "./address.js";
import { byId, fill } from "./elements.js";
import { FileMissing } from "./files.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { drawHeading } from "./heading.js";
import { icon } from "./icons.js";
import { drawKinds } from "./kinds.js";
import { NewerArchive, readManifest } from "./manifest.js";
import { MANY, compare, watch } from "./news.js";
import { readPeople } from "./people.js";
import { rememberPlace, rememberedPlace } from "./place.js";
import { Player } from "./player.js";
import { Scrubber } from "./scrubber.js";
import { find } from "./selection.js";
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
/** The piece the player shows or showed last. @type {Entry | null} */
let lastShown = null;
let noticeTimer = 0;

const filters = new Filters(byId("filters"));
const grid = new Grid(byId("grid"), byId("progress"), { manifest: current, renew, channelName, moved: () => scrubber.update() });
const scrubber = new Scrubber(byId("scrubber"), grid);
const player = new Player(/** @type {HTMLDialogElement} */ (byId("player")), { mode: () => current().media, channelName, notify, neighbour: (entry, direction) => grid.neighbour(entry, direction), moved, closed });

translatePage();
fill(byId("open-filters"), icon("menu"));
fill(byId("open-about"), icon("info"));
byId("open-about").addEventListener("click", () => manifest && openAbout(about, manifest));
byId("skip").addEventListener("click", () => byId("main").focus());
news.addEventListener("click", showNews);
closeByShade(about);
rememberPlace(grid, () => view, (month) => (view = { ...view, month }));
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
  grid.show(view, rememberedPlace(view));
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
    grid.show(next, rememberedPlace(next));
  } else if (next.month !== before.month && !next.clip && !before.clip) {
    // Somebody wrote another month into the address, or followed such a link.
    const place = rememberedPlace(next);
    if (place) void grid.goTo(place);
    else scrollTo(0, 0);
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
  try {
    const entry = grid.entryOf(wanted.clip.id) ?? (await findRenewed(wanted.clip));
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
  if (shown) void grid.reveal(shown).catch(() => {});
}

/** @param {Entry | null} entry */
function drawTitle(entry) {
  lastShown = entry;
  const parts = [entry ? fileName(entry) : view.channel && channelName(view.thread ?? view.channel), current().title];
  document.title = parts.filter(Boolean).join(" · ");
}

function drawFrame() {
  fill(byId("title"), current().title);
  filters.show(current(), view);
  drawKinds(byId("kinds"), view);
  drawTop();
  drawTitle(null);
  const chosen = current().channels.find((channel) => channel.id === view.channel);
  // The names of its threads are needed at once, the grid may take longer to come to them.
  if (chosen) readIndex(chosen).then(drawTop, () => {});
}

function drawTop() {
  drawHeading(byId("heading"), current(), view, { channelName, surprise: () => void surprise() });
}

/** Opens any piece of what is looked at. */
async function surprise() {
  try {
    const entry = await grid.pick();
    if (entry) location.hash = address({ ...view, clip: clipOf(entry) });
  } catch (error) {
    notify(say("failed", { why: error instanceof Error ? error.message : String(error) }));
  }
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
  drawTop();
  const { count, renewed } = await compare(fresh, view, grid.newest, grid.waiting);
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
