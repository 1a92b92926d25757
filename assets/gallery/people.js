// Who posted: names and pictures, read once for each publication that changed them.

import { element } from "./elements.js";
import { readJson } from "./files.js";

/** @typedef {import("./format.js").Person} Person */

/** The colours of the round initials of people without a picture; each is dark enough for white letters. */
const SHADES = 8;

/** @type {{ path: string | null, people: Map<string, Person> }} */
let known = { path: null, people: new Map() };

/**
 * Reads the people a manifest names; those of the publication before stay when that fails.
 *
 * @param {import("./format.js").Manifest} manifest
 * @returns {Promise<Map<string, Person>>}
 */
export async function readPeople(manifest) {
  if (manifest.users && manifest.users !== known.path) {
    /** @type {import("./format.js").PeopleFile} */
    const { users } = await readJson(manifest.users);
    known = { path: manifest.users, people: new Map(Object.entries(users)) };
  }
  return known.people;
}

/**
 * @param {string} id
 * @returns {Person | undefined}
 */
export function person(id) {
  return known.people.get(id);
}

/**
 * A person's picture, or their initial on a colour of their own. Their name always stands beside it.
 *
 * @param {string} id
 * @param {string} name
 */
export function portrait(id, name) {
  const picture = person(id)?.avatar;
  if (picture) return element("img", { class: "portrait", attributes: { src: picture, alt: "", loading: "lazy", decoding: "async" } });
  const shade = [...id].reduce((sum, digit) => sum + digit.charCodeAt(0), 0) % SHADES;
  const initial = [...name.trim()][0] ?? "?";
  return element("span", { class: `portrait shade-${shade}`, attributes: { "aria-hidden": "true" } }, initial.toUpperCase());
}
