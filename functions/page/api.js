// Requests to the API, as whoever has signed in.

import { token, signIn } from "./signin.js";

const etags = new Map();

/** An answer that is none: `status`, and a `message` for people. */
export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The JSON at a path of the API, such as `batches`. Throws `Problem`. */
export async function get(path, query = {}) {
  return ask(path + search(query), {});
}

/** The same, or null where it is what it was when this last asked for it. */
export async function getNews(path, query = {}) {
  const address = path + search(query);
  const etag = etags.get(address);
  const answer = await reach(address, etag ? { headers: { "If-None-Match": etag } } : {});
  if (answer.status === 304) return null;
  etags.clear(); // of one address at a time
  etags.set(address, answer.headers.get("ETag"));
  return answer.json();
}

/** Send JSON to a path of the API. Throws `Problem`. */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function ask(path, options) {
  return (await reach(path, options)).json();
}

async function reach(path, options) {
  const bearer = await token();
  const headers = { ...options.headers, ...(bearer && { Authorization: `Bearer ${bearer}` }) };
  let answer;
  try {
    answer = await fetch(`api/${path}`, { ...options, headers });
  } catch {
    throw new Problem(0, "offline");
  }
  if (answer.status === 401) await signIn();
  if (!answer.ok && answer.status !== 304) throw await problem(answer);
  return answer;
}

async function problem(answer) {
  const told = await answer.json().catch(() => ({}));
  return new Problem(answer.status, told.detail ?? `${answer.status} ${answer.statusText}`);
}

function search(query) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) parameters.append(name, one);
  }
  return parameters.size ? `?${parameters}` : "";
}
