// Suite 1 of docvault (FORMAT §1, §3) on the @noble packages: only compositions, each with its source.
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { argon2idAsync } from '@noble/hashes/argon2.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';
import { Malformed, Writer, ascii, concat, equal } from './bytes.js';

export { sha256 };

/** @typedef {(length: number) => Uint8Array} Random */

/** Fresh random bytes of the platform. @type {Random} */
export const platformRandom = (length) => crypto.getRandomValues(new Uint8Array(length));

/** context(label, f₁, …) of FORMAT §3. @param {string} label @param {...Uint8Array} fields */
export function context(label, ...fields) {
  const w = new Writer().text(`docvault/v1/${label}`);
  fields.forEach((field) => w.bytes(field));
  return sha256(w.done());
}

/** subkey(key, label, f₁, …) of FORMAT §3. @param {Uint8Array} key @param {string} label @param {...Uint8Array} fields */
export const subkey = (key, label, ...fields) => expand(sha256, key, context(label, ...fields), 32);

const CHUNK = 16384;
const TAG = 16;
const PREFIX = 56;
const NAME = concat(ascii('c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305'), Uint8Array.of(0));

// c2sp.org/chunked-encryption: key ‖ base nonce ‖ commitment = HKDF-Expand(input key, name ‖ 0 ‖ salt ‖ context, 76)
/** @param {Uint8Array} key @param {Uint8Array} salt @param {Uint8Array} bound */
function derive(key, salt, bound) {
  const derived = expand(sha256, key, concat(NAME, salt, bound), 76);
  return { key: derived.slice(0, 32), base: derived.slice(32, 44), commitment: derived.slice(44) };
}

// The base nonce XOR the chunk's number as a big-endian integer; numbers here stay below 2³².
/** @param {Uint8Array} base @param {number} number */
function nonce(base, number) {
  const bytes = base.slice();
  for (let i = 0; i < 4; i++) bytes[11 - i] ^= (number >>> (8 * i)) & 255;
  return bytes;
}

/** Seals `content` under this salt. @param {Uint8Array} key @param {Uint8Array} bound @param {Uint8Array} salt @param {Uint8Array} content */
export function seal(key, bound, salt, content) {
  const derived = derive(key, salt, bound);
  const chunks = Math.floor(content.length / CHUNK) + 1;
  const sealed = new Uint8Array(PREFIX + content.length + chunks * TAG);
  sealed.set(salt);
  sealed.set(derived.commitment, 24);
  for (let i = 0, at = PREFIX; i < chunks; i++) {
    const chunk = content.subarray(i * CHUNK, (i + 1) * CHUNK);
    sealed.set(chacha20poly1305(derived.key, nonce(derived.base, i)).encrypt(chunk), at);
    at += chunk.length + TAG;
  }
  return sealed;
}

/** Opens what `seal` gave; all of it or an error. @param {Uint8Array} key @param {Uint8Array} bound @param {Uint8Array} sealed */
export function open(key, bound, sealed) {
  const body = sealed.length - PREFIX;
  const last = body % (CHUNK + TAG);
  if (body < 0 || last < TAG) throw new Malformed();
  const derived = derive(key, sealed.subarray(0, 24), bound);
  if (!equal(derived.commitment, sealed.subarray(24, PREFIX))) throw new Malformed();
  const chunks = Math.floor(body / (CHUNK + TAG)) + 1;
  const content = new Uint8Array(body - chunks * TAG);
  for (let i = 0; i < chunks; i++) {
    const start = PREFIX + i * (CHUNK + TAG);
    const chunk = sealed.subarray(start, start + CHUNK + TAG);
    try {
      content.set(chacha20poly1305(derived.key, nonce(derived.base, i)).decrypt(chunk), i * CHUNK);
    } catch {
      throw new Malformed();
    }
  }
  return content;
}

// FORMAT §11.2: salt = first 24 bytes of subkey(deposit key, "salt of deposit", c, SHA-256(bytes))
/** Seals so that the same content in the same place gives the same bytes. @param {Uint8Array} key @param {Uint8Array} bound @param {Uint8Array} content */
export const sealSame = (key, bound, content) =>
  seal(key, bound, subkey(key, 'salt of deposit', bound, sha256(content)).slice(0, 24), content);

/** pad(x) of FORMAT §1. @param {Uint8Array} content */
export function pad(content) {
  const padded = new Uint8Array(Math.ceil((content.length + 4) / 256) * 256);
  padded.set(new Writer().bytes(content).done());
  return padded;
}

/** @param {Uint8Array} padded */
export function unpad(padded) {
  if (padded.length < 4) throw new Malformed();
  const len = new DataView(padded.buffer, padded.byteOffset).getUint32(0);
  const canonical = padded.length === Math.ceil((len + 4) / 256) * 256;
  if (!canonical || padded.subarray(4 + len).some((byte) => byte !== 0)) throw new Malformed();
  return padded.slice(4, 4 + len);
}

/** The Padmé length of `len` bytes (FORMAT §1). @param {number} len @returns {number} */
export function padme(len) {
  if (len < 2) return len;
  const value = BigInt(len);
  const exponent = value.toString(2).length - 1;
  const bits = exponent === 0 ? 0 : Math.floor(Math.log2(exponent)) + 1;
  const mask = (1n << BigInt(Math.max(exponent - bits, 0))) - 1n;
  return Number((value + mask) & ~mask);
}

const SUITE = concat(ascii('HPKE'), Uint8Array.of(0x64, 0x7a, 0, 1, 0, 3));
const EMPTY = new Uint8Array(0);
const hpkeLabel = (/** @type {string} */ label) => concat(ascii('HPKE-v1'), SUITE, ascii(label));

// RFC 9180 §4: LabeledExtract(salt, label, ikm) = Extract(salt, "HPKE-v1" || suite_id || label || ikm)
const labeledExtract = (/** @type {Uint8Array} */ salt, /** @type {string} */ label, /** @type {Uint8Array} */ ikm) =>
  extract(sha256, concat(hpkeLabel(label), ikm), salt);

// RFC 9180 §4: LabeledExpand(prk, label, info, L) = Expand(prk, I2OSP(L, 2) || "HPKE-v1" || suite_id || label || info, L)
const labeledExpand = (
  /** @type {Uint8Array} */ prk, /** @type {string} */ label, /** @type {Uint8Array} */ info, /** @type {number} */ length,
) => expand(sha256, prk, concat(Uint8Array.of(0, length), hpkeLabel(label), info), length);

// RFC 9180 §5.1, KeySchedule in Base mode (0x00), with psk and psk_id empty.
/** @param {Uint8Array} shared @param {Uint8Array} info */
function keySchedule(shared, info) {
  const bound = concat(
    Uint8Array.of(0), labeledExtract(EMPTY, 'psk_id_hash', EMPTY), labeledExtract(EMPTY, 'info_hash', info),
  );
  const secret = labeledExtract(shared, 'secret', EMPTY);
  return { key: labeledExpand(secret, 'key', bound, 32), nonce: labeledExpand(secret, 'base_nonce', bound, 12) };
}

// RFC 9180 §6.1, SealBase, with KEM 0x647a (X-Wing), KDF 0x0001, AEAD 0x0003.
/** Gives enc ‖ ct. @param {Uint8Array} publicKey @param {Uint8Array} info @param {Uint8Array} aad @param {Uint8Array} plaintext @param {Random} random */
export function hpkeSeal(publicKey, info, aad, plaintext, random) {
  const { cipherText, sharedSecret } = xwing.encapsulate(publicKey, random(64));
  const { key, nonce } = keySchedule(sharedSecret, info);
  return concat(cipherText, chacha20poly1305(key, nonce, aad).encrypt(plaintext));
}

// RFC 9180 §6.1, OpenBase: for tests, since clients only seal.
/** @param {Uint8Array} seed @param {Uint8Array} info @param {Uint8Array} aad @param {Uint8Array} sealed */
export function hpkeOpen(seed, info, aad, sealed) {
  const { key, nonce } = keySchedule(xwing.decapsulate(sealed.slice(0, 1120), seed), info);
  return chacha20poly1305(key, nonce, aad).decrypt(sealed.slice(1120));
}

/** sign(key, label, message) of FORMAT §3. @param {Uint8Array} seed @param {string} label @param {Uint8Array} message */
export const sign = (seed, label, message) => ed25519.sign(signed(label, message), seed);

/** @param {string} label @param {Uint8Array} message */
const signed = (label, message) => concat(ascii(`docvault/v1/${label}`), Uint8Array.of(0), message);

/** @param {Uint8Array} seed @returns {Uint8Array} */
export const publicKey = (seed) => ed25519.getPublicKey(seed);

// RFC 8032 §5.1.7, without the cofactor: [S]B = R + [k]A, S < L, neither R nor A of small order, as FORMAT §1 asks.
// What noble's own `verify` takes with the cofactor another verifier may refuse, and a promise must hold before any.
/** @param {Uint8Array} key @param {string} label @param {Uint8Array} message @param {Uint8Array} signature */
export function verifies(key, label, message, signature) {
  const { Point } = ed25519;
  try {
    const R = signature.slice(0, 32);
    const [pointR, A] = [Point.fromBytes(R), Point.fromBytes(key)];
    const S = littleEndian(signature.slice(32));
    const order = Point.Fn.ORDER;
    if (signature.length !== 64 || S >= order || pointR.isSmallOrder() || A.isSmallOrder()) return false;
    const k = littleEndian(sha512(concat(R, key, signed(label, message)))) % order;
    return Point.BASE.multiplyUnsafe(S).subtract(A.multiplyUnsafe(k)).equals(pointR);
  } catch {
    return false;
  }
}

/** @param {Uint8Array} key */
export function isPublicKey(key) {
  try {
    return !ed25519.Point.fromBytes(key).isSmallOrder();
  } catch {
    return false;
  }
}

/** @param {Uint8Array} bytes */
const littleEndian = (bytes) => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);

// FORMAT §11.1: Argon2id(passphrase, salt, 19,456 KiB, 2 passes, 1 lane, 32)
/** @param {string} passphrase @param {Uint8Array} salt */
export const passphraseKey = (passphrase, salt) =>
  argon2idAsync(ascii(passphrase), salt, { m: 19456, t: 2, p: 1, dkLen: 32, version: 0x13 });
