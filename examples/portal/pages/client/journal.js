// What this browser remembers of a request's deposits, so that a reload or a lost connection loses nothing.
// Neither files nor answers are kept: the journals are sealed under the link, the rest is no secret.
import { hex, parseHex } from '../docvault-deposit.js';

/** @typedef {{ slot: number, deposit: string, journal: string, manifest?: string, promise?: string }} Entry */

export class Journal {
  #name;
  /** @type {Entry[]} */
  #entries;

  /** @param {string} request */
  constructor(request) {
    this.#name = `docvault ${request}`;
    try {
      this.#entries = JSON.parse(localStorage.getItem(this.#name) ?? '[]');
    } catch {
      this.#entries = [];
    }
  }

  /** A slot's deposits, the newest last. @param {number} slot */
  of(slot) {
    return this.#entries.filter((entry) => entry.slot === slot);
  }

  /** @param {number} slot @param {{ id: string, journal: () => Uint8Array }} deposit */
  begin(slot, deposit) {
    this.#entries.push({ slot, deposit: deposit.id, journal: hex(deposit.journal()) });
    this.#save();
  }

  /** @param {string} deposit @param {{ manifest?: Uint8Array, promise?: Uint8Array }} what */
  keep(deposit, what) {
    const entry = this.#entries.find((entry) => entry.deposit === deposit);
    for (const [name, bytes] of Object.entries(what)) if (entry && bytes) entry[name] = hex(bytes);
    this.#save();
  }

  /** @param {string} deposit */
  forget(deposit) {
    this.#entries = this.#entries.filter((entry) => entry.deposit !== deposit);
    this.#save();
  }

  #save() {
    try {
      localStorage.setItem(this.#name, JSON.stringify(this.#entries));
    } catch {
      // A browser that keeps nothing loses the way back after a reload, and nothing else.
    }
  }
}

export { parseHex };
