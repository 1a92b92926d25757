// Reads the archive's files. Every path is relative to the page, so the archive works under any address.

/** A file that the manifest names is not there: the archive was published anew and swept up since. */
export class FileMissing extends Error {
  /** @param {string} path */
  constructor(path) {
    super(`${path} is not there`);
    this.name = "FileMissing";
  }
}

/** A gzip stream begins with these two bytes; JSON never does. */
const GZIP = [0x1f, 0x8b];

/**
 * The JSON in a file, unpacked when it is a gzip stream.
 * A server that unpacks `.gz` files on the way is fine, therefore the bytes decide and not the name.
 *
 * @param {string} path
 * @param {RequestCache} [cache]
 * @returns {Promise<any>}
 */
export async function readJson(path, cache = "default") {
  const answer = await fetch(path, { cache });
  if (answer.status === 404 || answer.status === 403 || answer.status === 410) throw new FileMissing(path);
  if (!answer.ok) throw new Error(`${path}: the server answered ${answer.status}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const packed = bytes[0] === GZIP[0] && bytes[1] === GZIP[1];
  return packed ? unpacked(bytes).json() : JSON.parse(new TextDecoder().decode(bytes));
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Response}
 */
function unpacked(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}
