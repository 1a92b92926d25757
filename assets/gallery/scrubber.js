// The timeline along the side: years to see, months under the finger, and a way to any of them without what lies between.

import { element, fill } from "./elements.js";
import { icon } from "./icons.js";
import { number, say, year } from "./text.js";
import { monthTime } from "./plan.js";

/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./month.js").Month} Month */

/** Years closer than this to one another, in pixels, would be written over each other. */
const LABEL = 30;

/** How long the handle stays on a phone after the last movement, in milliseconds: long enough to reach for it. */
const SHOWN = 1_600;

/** Fewer months than this are scrolled through at once. */
const WORTH_IT = 3;

/** A slider whose values are the months of the grid. */
export class Scrubber {
  /**
   * @param {HTMLElement} root
   * @param {Grid} grid
   */
  constructor(root, grid) {
    this.root = root;
    this.grid = grid;
    this.years = element("div", { class: "scrubber-years", attributes: { "aria-hidden": "true" } });
    this.bubble = element("span", { class: "scrubber-bubble" });
    this.handle = element("div", { class: "scrubber-handle", attributes: { role: "slider", tabindex: 0, "aria-orientation": "vertical", "aria-label": say("timeline"), "aria-valuemin": 0 } }, icon("scrub"), this.bubble);
    fill(root, this.years, this.handle);
    this.dragging = false;
    this.fading = 0;
    this.drawnFor = "";
    root.addEventListener("pointerdown", (event) => this.#take(event));
    root.addEventListener("pointermove", (event) => this.#point(event));
    root.addEventListener("pointerleave", () => root.classList.remove("pointed"));
    for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, () => this.#letGo());
    this.handle.addEventListener("keydown", (event) => this.#key(event));
    addEventListener("scroll", () => this.#wake(), { passive: true });
  }

  /** Follows the grid: where its months lie, and which one is on the screen. */
  update() {
    const months = this.#months();
    this.root.hidden = months.length < WORTH_IT;
    if (this.root.hidden) return;
    this.#drawYears(months);
    if (this.dragging) return;
    const { position } = this.grid;
    this.root.style.setProperty("--at", String(position));
    // At the end of the page the last months share the screen, and the last one is meant.
    const month = position === 1 ? months.at(-1) : this.grid.monthAt(this.grid.line + 1);
    if (month) this.#say(months, month);
  }

  #months() {
    return this.grid.months.filter((month) => month.key && !month.node.hidden);
  }

  /** @param {Month[]} months */
  #drawYears(months) {
    const height = this.root.clientHeight;
    const drawnFor = `${height} ${months.length} ${Math.round(this.grid.length)}`;
    if (drawnFor === this.drawnFor) return;
    this.drawnFor = drawnFor;
    let [last, free] = ["", -Infinity];
    const labels = [];
    for (const month of months) {
      const own = (month.key ?? "").slice(0, 4);
      if (own === last) continue;
      last = own;
      const top = Math.min(1, month.top / this.grid.length) * height;
      if (top < free || top > height - LABEL / 2) continue;
      free = top + LABEL;
      const label = element("span", { class: "scrubber-year" }, year(monthTime(month.key ?? "")));
      label.style.top = `${top}px`;
      labels.push(label);
    }
    fill(this.years, ...labels);
  }

  /**
   * @param {Month[]} months
   * @param {Month} month
   */
  #say(months, month) {
    fill(this.bubble, month.name);
    this.handle.setAttribute("aria-valuemax", String(months.length - 1));
    this.handle.setAttribute("aria-valuenow", String(Math.max(0, months.indexOf(month))));
    this.handle.setAttribute("aria-valuetext", month.name ?? number(0));
  }

  /** @param {PointerEvent} event */
  #take(event) {
    if (event.button !== 0) return;
    // On a phone only the handle is there to be taken: the tiles below stay in reach.
    if (event.pointerType === "touch" && !(event.target instanceof Element && this.handle.contains(event.target))) return;
    event.preventDefault();
    this.dragging = true;
    this.root.setPointerCapture(event.pointerId);
    this.root.classList.add("dragging");
    this.handle.focus({ preventScroll: true });
    this.#point(event);
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const box = this.root.getBoundingClientRect();
    const at = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    const months = this.#months();
    const month = months.findLast(({ top }) => top <= at * this.grid.length + 1) ?? months[0];
    if (!month) return;
    if (this.dragging) {
      this.root.style.setProperty("--at", String(at));
      this.#say(months, month);
      this.grid.scrollTo(at * this.grid.length);
    } else if (event.pointerType === "mouse") {
      this.root.classList.add("pointed");
      this.root.style.setProperty("--pointed", String(at));
      this.root.dataset.pointed = month.name ?? "";
    }
  }

  #letGo() {
    if (!this.dragging) return;
    this.dragging = false;
    this.root.classList.remove("dragging");
    this.#wake();
    this.update();
  }

  #wake() {
    this.root.classList.add("awake");
    clearTimeout(this.fading);
    this.fading = setTimeout(() => !this.dragging && this.root.classList.remove("awake"), SHOWN);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const months = this.#months();
    const at = Number(this.handle.getAttribute("aria-valuenow"));
    const sameYear = (/** @type {number} */ one) => months[one]?.key?.slice(0, 4);
    const nextYear = months.findIndex((_, one) => one > at && sameYear(one) !== sameYear(at));
    const lastYear = months.findLastIndex((_, one) => one < at && sameYear(one) !== sameYear(at));
    /** @type {Record<string, number>} */
    const ways = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, PageDown: nextYear < 0 ? months.length - 1 : nextYear, PageUp: Math.max(0, lastYear), Home: 0, End: months.length - 1 };
    const to = ways[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const month = months[Math.min(months.length - 1, Math.max(0, to))];
    if (!month?.key) return;
    if (to <= 0) this.grid.scrollTo(0);
    else void this.grid.goTo({ month: month.key });
  }
}
