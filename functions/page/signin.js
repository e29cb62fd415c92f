// Signing in at Cognito's hosted page: authorization code with PKCE (RFC 7636). Where the API asks
// for no sign-in, as on one's own machine, none of this is used.

const KEPT = "darkroom-sign-in"; // in this tab alone
const VERIFIER = "darkroom-verifier";

let config;
let kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");

/** What the page has to know before anybody has signed in. */
export async function loadConfig() {
  config = await (await fetch("config.json")).json();
  return config;
}

/** The access token; nothing where nobody has signed in. */
export async function token() {
  if (kept && Date.now() > kept.until - 60_000) await renew();
  return kept?.access;
}

/** Whether somebody has signed in. */
export function isSignedIn() {
  return Boolean(kept);
}

/** Leave for the sign-in page. Never comes back: the page is loaded anew. */
export async function signIn() {
  keep(null);
  const verifier = random();
  const state = random();
  sessionStorage.setItem(VERIFIER, JSON.stringify({ verifier, state, hash: location.hash }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  location.assign(`${config.sign_in_url}/oauth2/authorize?${new URLSearchParams({
    response_type: "code", client_id: config.client_id, redirect_uri: here(), scope: "openid",
    state, code_challenge_method: "S256", code_challenge: base64url(new Uint8Array(digest)),
  })}`);
  return new Promise(() => {});
}

/** Take up the sign-in that has just brought us here, if one has. */
export async function finishSignIn() {
  const query = new URLSearchParams(location.search);
  const begun = JSON.parse(sessionStorage.getItem(VERIFIER) ?? "null");
  if (!query.has("code") || !begun) return;
  sessionStorage.removeItem(VERIFIER);
  history.replaceState(null, "", location.pathname + begun.hash);
  if (query.get("state") !== begun.state) return;
  await exchange({
    grant_type: "authorization_code", code: query.get("code"), code_verifier: begun.verifier,
    redirect_uri: here(),
  });
}

/** Forget who has signed in, here and at Cognito. */
export function signOut() {
  keep(null);
  const back = new URLSearchParams({ client_id: config.client_id, logout_uri: here() });
  location.assign(`${config.sign_in_url}/logout?${back}`);
}

async function renew() {
  await exchange({ grant_type: "refresh_token", refresh_token: kept.refresh });
}

async function exchange(asked) {
  const answer = await fetch(`${config.sign_in_url}/oauth2/token`, {
    method: "POST",
    body: new URLSearchParams({ client_id: config.client_id, ...asked }),
  });
  if (!answer.ok) {
    keep(null);
    return;
  }
  const told = await answer.json();
  keep({
    access: told.access_token,
    refresh: told.refresh_token ?? kept?.refresh,
    until: Date.now() + told.expires_in * 1000,
  });
}

function keep(signIn) {
  kept = signIn;
  if (signIn) sessionStorage.setItem(KEPT, JSON.stringify(signIn));
  else sessionStorage.removeItem(KEPT);
}

function here() {
  return location.origin + location.pathname;
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
