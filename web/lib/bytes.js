// Canonical bytes in and out (FORMAT §1): big-endian, fixed widths, lengths before what varies.

/** The bytes are not the one encoding of any value. */
export class Malformed extends Error {
  constructor() {
    super('not a canonical encoding');
    this.name = 'Malformed';
  }
}

const utf8 = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @param {...Uint8Array} parts @returns {Uint8Array} */
export function concat(...parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** @param {string} text */
export const ascii = (text) => utf8.encode(text);

/** @param {Uint8Array} a @param {Uint8Array} b */
export function equal(a, b) {
  if (a.length !== b.length) return false;
  let different = 0;
  for (let i = 0; i < a.length; i++) different |= a[i] ^ b[i];
  return different === 0;
}

/** Appends fields. */
export class Writer {
  /** @type {Uint8Array[]} */
  #parts = [];

  /** @param {Uint8Array} bytes */
  fixed(bytes) {
    this.#parts.push(bytes);
    return this;
  }

  /** @param {number} value */
  u8(value) {
    return this.fixed(Uint8Array.of(value));
  }

  /** @param {number} value */
  u16(value) {
    return this.fixed(Uint8Array.of(value >>> 8, value & 255));
  }

  /** @param {number} value */
  u32(value) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    return this.fixed(bytes);
  }

  /** @param {number | bigint} value */
  u64(value) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
    return this.fixed(bytes);
  }

  /** @param {Uint8Array} bytes */
  bytes(bytes) {
    return this.u32(bytes.length).fixed(bytes);
  }

  /** @param {string} text */
  text(text) {
    return this.bytes(utf8.encode(text));
  }

  done() {
    return concat(...this.#parts);
  }
}

/** Takes fields off an array. */
export class Reader {
  #bytes;
  #at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.#bytes = bytes;
  }

  /** @param {number} len @returns {Uint8Array} */
  take(len) {
    if (len > this.#bytes.length - this.#at) throw new Malformed();
    this.#at += len;
    return this.#bytes.slice(this.#at - len, this.#at);
  }

  u8() {
    return this.take(1)[0];
  }

  u16() {
    return new DataView(this.take(2).buffer).getUint16(0);
  }

  u32() {
    return new DataView(this.take(4).buffer).getUint32(0);
  }

  /** Exact up to 2⁵³; what is larger counts as 2⁵³ and more, which no cap allows. */
  u64() {
    return Number(this.bigint());
  }

  bigint() {
    return new DataView(this.take(8).buffer).getBigUint64(0);
  }

  /** @param {number} cap */
  bytes(cap) {
    const len = this.u32();
    if (len > cap) throw new Malformed();
    return this.take(len);
  }

  /** @param {number} cap @returns {string} */
  text(cap) {
    try {
      return strict.decode(this.bytes(cap));
    } catch {
      throw new Malformed();
    }
  }

  /** @template T @param {(r: Reader) => T} get @returns {T | null} */
  optional(get) {
    const present = this.u8();
    if (present > 1) throw new Malformed();
    return present ? get(this) : null;
  }

  /** @template T @param {number} cap @param {(r: Reader) => T} get @returns {T[]} */
  list(cap, get) {
    const count = this.u32();
    if (count > cap) throw new Malformed();
    return Array.from({ length: count }, () => get(this));
  }

  /** @param {Uint8Array} expected */
  expect(expected) {
    if (!equal(this.take(expected.length), expected)) throw new Malformed();
  }

  /** @param {number} len */
  zeros(len) {
    if (this.take(len).some((byte) => byte !== 0)) throw new Malformed();
  }

  /** What was read so far. */
  before() {
    return this.#bytes.slice(0, this.#at);
  }

  rest() {
    return this.take(this.#bytes.length - this.#at);
  }

  finish() {
    if (this.#at !== this.#bytes.length) throw new Malformed();
  }
}

/** RFC 4648 §5 without padding: the one text of `bytes`. @param {Uint8Array} bytes */
export function base64url(bytes) {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** @param {string} text @returns {Uint8Array} */
export function parseBase64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new Malformed();
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (base64url(bytes) !== text) throw new Malformed();
  return bytes;
}

/** @param {Uint8Array} bytes */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** @param {string} text */
export function parseHex(text) {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Malformed();
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}
