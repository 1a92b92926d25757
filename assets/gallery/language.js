// The language of the page: the first of the reader's own that it knows, English otherwise.
// Only that one's words are loaded. A new language is a file in languages/ and its code here.

/** @typedef {keyof typeof import("./languages/en.js").default} Key */

/** A sentence, or its forms by plural category, of which `other` stands for those that are left out. @typedef {string | (Partial<Record<Intl.LDMLPluralRule, string>> & { other: string })} Sentence */

/** Everything the page says. @typedef {Record<Key, Sentence>} Words */

/** The files in languages/. */
const CODES = ["en", "de", "es", "fr", "pt", "ja"];

const FALLBACK = "en";

/** The reader's own tag where it is of a known language, since `de-AT` and `en-GB` write dates in their own manner. */
export const LANGUAGE = navigator.languages.find((tag) => CODES.includes(codeOf(tag))) ?? FALLBACK;

/** @type {Words} */
export const words = await load(codeOf(LANGUAGE)).catch(() => load(FALLBACK));

document.documentElement.lang = LANGUAGE;

/** @param {string} tag */
function codeOf(tag) {
  return tag.toLowerCase().split("-")[0];
}

/**
 * @param {string} code
 * @returns {Promise<Words>}
 */
async function load(code) {
  return (await import(`./languages/${code}.js`)).default;
}
