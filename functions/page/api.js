// Requests to the API, as whoever has signed in.

import { token, signIn } from "./signin.js";

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

/** Send JSON to a path of the API. Throws `Problem`. */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function ask(path, options) {
  const bearer = await token();
  const headers = { ...options.headers, ...(bearer && { Authorization: `Bearer ${bearer}` }) };
  let answer;
  try {
    answer = await fetch(`api/${path}`, { ...options, headers });
  } catch {
    throw new Problem(0, "offline");
  }
  if (answer.status === 401) await signIn();
  if (!answer.ok) throw await problem(answer);
  return answer.json();
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
