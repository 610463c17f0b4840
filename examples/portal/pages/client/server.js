// What the page asks of the carrier. The link's fragment is no part of any of it.
import { parseHex } from '../docvault-deposit.js';

/** Why the carrier does not take something: trying again does not help. */
export class Refused extends Error {
  /** @param {string} refusal */
  constructor(refusal) {
    super(refusal);
    this.refusal = refusal;
  }
}

const bytes = async (/** @type {Response} */ response) => new Uint8Array(await response.arrayBuffer());

/** @param {string} path @param {RequestInit} [options] */
async function ask(path, options) {
  const response = await fetch(path, { referrerPolicy: 'no-referrer', cache: 'no-store', ...options });
  if (response.ok) return response;
  if (response.status >= 500) throw new TypeError('the server failed');
  const { refusal } = await response.json().catch(() => ({ refusal: 'failed' }));
  throw new Refused(refusal);
}

const post = (/** @type {string} */ path, /** @type {Uint8Array} */ body) =>
  ask(path, { method: 'POST', body, headers: { 'content-type': 'application/octet-stream' } });

/** @param {string} request */
export const descriptor = async (request) => bytes(await ask(`/requests/${request}`));
export const office = async () => bytes(await ask('/office'));
/** @param {Uint8Array} part */
export const sendPart = (part) => patiently(() => post('/parts', part));
/** @param {Uint8Array} manifest */
export const sendManifest = async (manifest) => bytes(await patiently(() => post('/manifests', manifest)));

/** What the carrier has of a deposit. @param {string} request @param {string} deposit */
export async function held(request, deposit) {
  const found = await (await ask(`/requests/${request}/deposits/${deposit}`)).json();
  return { parts: found.parts, promise: found.promise && parseHex(found.promise), answers: found.answers.map(parseHex) };
}

/** Tells a page that waits for the connection, and that it is back. */
export const connection = new EventTarget();

/**
 * Tries until it is done or refused: a telephone loses its connection, and what is sent twice is taken once.
 *
 * @template T @param {() => Promise<T>} attempt @returns {Promise<T>}
 */
async function patiently(attempt) {
  for (let pause = 500; ; pause = Math.min(pause * 2, 15_000)) {
    try {
      const done = await attempt();
      connection.dispatchEvent(new Event('back'));
      return done;
    } catch (error) {
      if (error instanceof Refused) throw error;
      connection.dispatchEvent(new Event('lost'));
      await online(pause);
    }
  }
}

/** @param {number} pause */
function online(pause) {
  return new Promise((resolve) => {
    setTimeout(resolve, pause);
    addEventListener('online', resolve, { once: true });
  });
}
