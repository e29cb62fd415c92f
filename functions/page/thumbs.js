// Small pictures, asked for together: one request for all that a file of the results has.

import { get } from "./api.js";

const KEPT = 4000;
const MOST_BYTES = 4000; // of addresses: API Gateway takes 10 KB, headers included
const WAIT_MS = 30;

const kept = new Map(); // promises of data URLs, by batch, run and path; the oldest go first
const waiting = new Map(); // what is to be asked for, by file

/** A promise of the address of an image's thumbnail; null where there is none.
 *  An image is `{id, run, part, path}`. */
export function thumbnail(image) {
  const key = `${image.id}/${image.run}/${image.path}`;
  if (!kept.has(key)) {
    kept.set(key, new Promise((resolve) => later(image, resolve)));
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(key);
}

function later(image, resolve) {
  const file = `batches/${image.id}/runs/${image.run}/thumbnails/${image.part}`;
  if (!waiting.has(file)) {
    waiting.set(file, new Map());
    setTimeout(() => ask(file), WAIT_MS);
  }
  const paths = waiting.get(file);
  paths.set(image.path, [...(paths.get(image.path) ?? []), resolve]);
}

async function ask(file) {
  const asked = [...waiting.get(file)];
  waiting.delete(file);
  while (asked.length) {
    const some = asked.splice(0, fitting(asked));
    const found = await get(file, { path: some.map(([path]) => path) }).catch(() => null);
    for (const [path, resolves] of some) {
      if (!found) forget(file, path);
      const jpeg = found?.thumbnails[path];
      for (const resolve of resolves) resolve(jpeg ? `data:image/jpeg;base64,${jpeg}` : null);
    }
  }
}

/** How many of the paths fit into one request. */
function fitting(asked) {
  let [count, bytes] = [0, 0];
  while (count < asked.length && count < 40) {
    bytes += encodeURIComponent(asked[count][0]).length + 6;
    if (bytes > MOST_BYTES && count) break;
    count += 1;
  }
  return count;
}

/** What could not be asked for is asked for again when it is wanted again. */
function forget(file, path) {
  const [, id, , run] = file.split("/");
  kept.delete(`${id}/${run}/${path}`);
}
