// Makes DOM nodes out of text, attributes and other nodes, and in no other way.
// Whatever comes from the archive passes through here, so nothing of it can become markup or script.

/** @typedef {string | number | Node | null | undefined | false} Child */

/**
 * @typedef {object} Parts
 * @property {string} [class]
 * @property {Record<string, string | number | boolean | null | undefined>} [attributes]
 * @property {Record<string, (event: any) => void>} [on]
 */

/** Attributes that the browser follows: their value has to be a web address. */
const ADDRESSES = new Set(["href", "src", "poster"]);

/** Attributes that the gallery never needs and that could run or style something. */
const REFUSED = /^(on|style$|srcdoc$|formaction$|action$)/i;

/**
 * An element with the given class, attributes, listeners and children.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Parts} [parts]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, parts = {}, ...children) {
  const made = document.createElement(tag);
  if (parts.class) made.className = parts.class;
  for (const [name, value] of Object.entries(parts.attributes ?? {})) setAttribute(made, name, value);
  for (const [event, listener] of Object.entries(parts.on ?? {})) made.addEventListener(event, listener);
  fill(made, ...children);
  return made;
}

/**
 * Replaces what is inside a node.
 *
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter(isShown).map((child) => (child instanceof Node ? child : String(child))));
}

/**
 * The address when a browser may safely follow it, otherwise null: `javascript:` and its kin stay text.
 *
 * @param {string | null | undefined} address
 * @returns {string | null}
 */
export function webAddress(address) {
  if (!address || !URL.canParse(address, document.baseURI)) return null;
  const { protocol } = new URL(address, document.baseURI);
  return protocol === "https:" || protocol === "http:" ? address : null;
}

/**
 * The element that index.html promises under this id.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found;
}

/**
 * @param {Element} target
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value
 */
function setAttribute(target, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (REFUSED.test(name)) throw new Error(`the gallery sets no ${name}`);
  if (ADDRESSES.has(name) && webAddress(String(value)) === null) return;
  target.setAttribute(name, value === true ? "" : String(value));
}

/**
 * @param {Child} child
 * @returns {child is string | number | Node}
 */
function isShown(child) {
  return child !== null && child !== undefined && child !== false && child !== "";
}
