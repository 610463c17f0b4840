// The client's side of docvault deposits (docs/FORMAT.md §11): opens a request with its link, seals files to
// it, and checks what its carrier promises. It stores nothing, sends nothing and reads no clock: the page
// around it does. It has no dependency but the @noble packages.
//
//     const request = await openRequest(descriptor, location.href, { now: Date.now() });
//     const deposit = request.begin(0, [{ name: file.name, mediaType: file.type, length: file.size }]);
//     keep(deposit.journal());
//     for await (const part of deposit.parts([file], held)) if (!part.held) await send(part.bytes);
//     const manifest = deposit.finish({ rfc: '…' }, 'comment');
//     keep(manifest); // there may be no other of this deposit: what is sent again is this one
//     const promise = deposit.checkPromise(await send(manifest), manifest);
import { blake3 } from '@noble/hashes/blake3.js';
import {
  Malformed, Reader, Writer, ascii, base64url, concat, equal, hex, parseBase64url, parseHex,
} from './lib/bytes.js';
import {
  context, hpkeSeal, isPublicKey, open, pad, padme, passphraseKey, platformRandom, publicKey, seal, sealSame, sha256,
  sign, subkey, unpad, verifies,
} from './lib/crypto.js';

/**
 * @typedef {{ name: string, mediaType: string, length: number }} FileInfo
 * @typedef {{ requirement: string, fewestFiles: number, mediaTypes: string[], uses: number, files: number, fileBytes: number }} Slot
 *   Its caps may be more than what is asked for: intake gives all slots of a request the same, and says in its presentation
 *   what each requirement takes.
 * @typedef {{ page: number, part: number, sha256: string }} HeldPart What a carrier says that it has; the hash in hexadecimal.
 * @typedef {(length: number) => Uint8Array} Random
 * @typedef {{ deposit: string, manifestDigest: Uint8Array, sealedBytes: number, time: number, answerBy: number, bytes: Uint8Array }} Promised
 * @typedef {'accepted' | 'refused' | 'quarantined'} Verdict
 * @typedef {{ verdict: Verdict, reason: string, requirement: string, time: number, pages: { length: number, digest: string }[], bytes: Uint8Array }} Answered
 */

/** Bytes of padded content in every part but a page's last. */
export const PART_LEN = 512 * 1024;
const PARTS_CAP = 16384;
const SLOTS_CAP = 64;
const FILES_CAP = 64;
const FILE_CAP = 2 ** 40;
const HEADER = Uint8Array.of(1, 1, 0, 0);
const magic = (/** @type {string} */ name) => concat(ascii(name), HEADER);

/**
 * Why something is refused. `code` is one of `corrupt` (not what its author made), `locked` (link or passphrase
 * do not open it), `expired`, `invalid` (an argument; `message` says which), `changed` (a file is not the one
 * that the deposit was begun with).
 */
export class DepositError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = 'DepositError';
    this.code = code;
  }
}

/** @param {string} what @template T @param {() => T} attempt @returns {T} */
function sound(what, attempt) {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof Malformed) throw new DepositError('corrupt', `${what} is not what its author made`);
    throw error;
  }
}

/** Splits a link, or its fragment alone. @param {string} url */
export function parseLink(url) {
  const fragment = url.includes('#') ? url.slice(url.indexOf('#') + 1) : url;
  const refused = new DepositError('invalid', 'this is no link of a request, or a part of one: ask for the whole link');
  let bytes;
  try {
    bytes = parseBase64url(fragment);
  } catch {
    throw refused;
  }
  const secret = bytes.slice(33);
  if (bytes.length !== 65 || bytes[0] !== 1 || secret.every((byte) => byte === 0)) throw refused;
  return { digest: bytes.slice(1, 33), secret };
}

/** @param {Reader} r */
function readSlotCaps(r) {
  const slot = { uses: r.u16(), files: r.u16(), fileBytes: r.u64() };
  const parts = Math.max(Math.ceil(padme(Math.min(slot.fileBytes, FILE_CAP)) / PART_LEN), 1);
  const allowed = slot.uses >= 1 && slot.uses <= 1024 && slot.files <= FILES_CAP && slot.fileBytes <= FILE_CAP;
  if (!allowed || parts * slot.files > PARTS_CAP) throw new Malformed();
  return slot;
}

/** FORMAT §11.1. @param {Uint8Array} bytes */
function parseDescriptor(bytes) {
  const r = new Reader(bytes);
  const key = () => {
    const bytes = r.take(32);
    if (!isPublicKey(bytes)) throw new Malformed();
    return bytes;
  };
  r.expect(magic('dvrq'));
  const [vault, request, deliveryKey] = [r.take(16), r.take(16), key()];
  const intakeKey = r.take(1216);
  const [linkKey, carrierKey] = [key(), key()];
  const [issued, expires, answerWithin] = [r.bigint(), r.bigint(), r.bigint()];
  const slots = r.list(SLOTS_CAP, readSlotCaps);
  const salt = r.optional((r) => r.take(16));
  const header = r.before();
  const details = r.bytes(128 * 1024);
  const signed = r.before();
  const signature = r.take(64);
  r.finish();
  if (slots.length === 0 || expires <= issued) throw new Malformed();
  if (!verifies(deliveryKey, 'sign request', signed, signature)) throw new Malformed();
  return { vault, request, intakeKey, linkKey, carrierKey, issued, expires, answerWithin, slots, salt, header, details };
}

/** @param {Uint8Array} contents @param {ReturnType<typeof readSlotCaps>[]} caps */
function parseDetails(contents, caps) {
  const r = new Reader(contents);
  const [caseId, policy] = [r.take(16), r.text(32 * 1024)];
  const slots = caps.map((caps) => {
    const slot = { requirement: r.text(128), fewestFiles: r.u16(), mediaTypes: r.list(32, (r) => r.text(256)), ...caps };
    if (slot.requirement === '' || slot.fewestFiles > caps.files) throw new Malformed();
    return slot;
  });
  const presentation = r.bytes(48 * 1024);
  r.finish();
  return { case: hex(caseId), policy, slots, presentation };
}

/**
 * Opens the descriptor that a link is for: only the one whose hash is in the link opens, so whoever shows it can
 * exchange no key. One that has expired opens, too: what was handed in before goes on and is answered.
 *
 * @param {Uint8Array} descriptor what the carrier shows
 * @param {string} link the page's URL, fragment included, or the fragment
 * @param {{ now: number, passphrase?: string }} options the time in ms since 1970; the passphrase, if one is asked
 * @returns {Promise<OpenedRequest>}
 */
export async function openRequest(descriptor, link, { now, passphrase }) {
  const { digest, secret } = parseLink(link);
  if (!equal(sha256(descriptor), digest)) throw new DepositError('corrupt', 'this is not the request that the link is for');
  const parsed = sound('the request', () => parseDescriptor(descriptor));
  if (passphrase !== undefined && !parsed.salt) throw new DepositError('invalid', 'the request asks for no passphrase');
  if (passphrase === undefined && parsed.salt) throw new DepositError('locked', 'the request asks for the passphrase');
  const stretched = parsed.salt ? await passphraseKey(passphrase ?? '', parsed.salt) : new Uint8Array(0);
  const root = subkey(secret, 'root of link', parsed.request, stretched);
  const seed = subkey(root, 'seed of link key');
  if (!equal(publicKey(seed), parsed.linkKey)) throw new DepositError('locked', 'link or passphrase do not open this request');
  const details = sound('the request', () => {
    const bound = context('request details', parsed.header);
    return parseDetails(unpad(open(subkey(root, 'key of request details'), bound, parsed.details)), parsed.slots);
  });
  return new OpenedRequest(parsed, details, digest, root, seed, BigInt(now) >= parsed.expires);
}

/** Whether a descriptor asks for a passphrase beside the link. @param {Uint8Array} descriptor */
export const asksPassphrase = (descriptor) => sound('the request', () => parseDescriptor(descriptor)).salt !== null;

/** A request, opened by who has its link. */
export class OpenedRequest {
  #parsed;
  #details;
  #digest;
  #root;
  #seed;
  #expired;

  /** @param {ReturnType<typeof parseDescriptor>} parsed @param {ReturnType<typeof parseDetails>} details @param {Uint8Array} digest @param {Uint8Array} root @param {Uint8Array} seed @param {boolean} expired */
  constructor(parsed, details, digest, root, seed, expired) {
    this.#parsed = parsed;
    this.#details = details;
    this.#digest = digest;
    this.#root = root;
    this.#seed = seed;
    this.#expired = expired;
  }

  /** The request's id, in hexadecimal. */
  get id() {
    return hex(this.#parsed.request);
  }

  /** The case's id, in hexadecimal. */
  get case() {
    return this.#details.case;
  }

  /** When the carrier stops taking deposits, in ms since 1970. */
  get expires() {
    return Number(this.#parsed.expires);
  }

  /** Whether it had expired when it was opened: nothing can be begun. */
  get expired() {
    return this.#expired;
  }

  /** What is asked, by slot number. @returns {Slot[]} */
  get slots() {
    return this.#details.slots;
  }

  /** The trust policy to hold receipts against. */
  get policy() {
    return this.#details.policy;
  }

  /** What the office's application has to show. @returns {Uint8Array} */
  get presentation() {
    return this.#details.presentation;
  }

  /** Looks whether a slot takes these files. @param {number} number @param {FileInfo[]} files */
  checkFiles(number, files) {
    const invalid = (/** @type {string} */ message) => new DepositError('invalid', message);
    const slot = this.slots[number];
    if (!slot) throw invalid('the request has no slot of this number');
    if (files.length < slot.fewestFiles || files.length > slot.files) {
      throw invalid(`${slot.fewestFiles} to ${slot.files} files are asked for, not ${files.length}`);
    }
    files.forEach((file, i) => {
      if (file.length > slot.fileBytes) throw invalid(`file ${i + 1} has ${file.length} bytes; at most ${slot.fileBytes} are taken`);
      const taken = slot.mediaTypes.some((type) => takes(type.toLowerCase(), file.mediaType.toLowerCase()));
      if (slot.mediaTypes.length > 0 && !taken) {
        throw invalid(`file ${i + 1} is of another type than is taken: ${slot.mediaTypes.join(', ')}`);
      }
      within(`the name of file ${i + 1}`, file.name, 1024);
      within(`the type of file ${i + 1}`, file.mediaType, 256);
    });
  }

  /**
   * Begins a deposit of `files`, in this order.
   *
   * @param {number} slot @param {FileInfo[]} files @param {Random} random fresh random bytes, the platform's unless given
   */
  begin(slot, files, random = platformRandom) {
    if (this.#expired) throw new DepositError('expired', 'the request has expired: ask for another');
    this.checkFiles(slot, files);
    const deposit = concat(new Writer().u16(slot).done(), random(14));
    const key = random(32);
    const info = context('deposit key to intake', this.#digest, deposit);
    const sealedKey = hpkeSeal(this.#parsed.intakeKey, info, new Uint8Array(0), key, random);
    return new Deposit(this.#keys(), { deposit, key, sealedKey, files });
  }

  /** Goes on with the deposit of this journal. @param {Uint8Array} journal */
  resume(journal) {
    const read = sound('the journal', () => {
      const r = new Reader(journal);
      r.expect(magic('dvdj'));
      r.expect(this.#parsed.request);
      const deposit = r.take(16);
      const bound = context('deposit journal', this.#digest, deposit);
      const contents = new Reader(unpad(open(subkey(this.#root, 'key of deposit journal'), bound, r.rest())));
      const [key, sealedKey] = [contents.take(32), contents.take(1168)];
      const files = contents.list(FILES_CAP, (r) => ({ name: r.text(1024), mediaType: r.text(256), length: r.u64() }));
      contents.finish();
      return { deposit, key, sealedKey, files };
    });
    this.checkFiles((read.deposit[0] << 8) | read.deposit[1], read.files);
    return new Deposit(this.#keys(), read);
  }

  #keys() {
    const { vault, request, carrierKey, issued, expires, answerWithin } = this.#parsed;
    const journalKey = subkey(this.#root, 'key of deposit journal');
    return { vault, request, carrierKey, issued, expires, answerWithin, digest: this.#digest, seed: this.#seed, journalKey };
  }
}

/** Whether a media type is the one that is taken, or, of `type/*`, any of that type. @param {string} taken @param {string} type */
const takes = (taken, type) => (taken.endsWith('/*') ? type.startsWith(taken.slice(0, -1)) : type === taken);

/** @param {string} what @param {string} text @param {number} cap */
function within(what, text, cap) {
  const length = ascii(text).length;
  if (length > cap) throw new DepositError('invalid', `${what} has ${length} bytes; at most ${cap} are kept`);
}

/** Parts of a file of `length` bytes. @param {number} length */
const partsOf = (length) => Math.max(Math.ceil(padme(length) / PART_LEN), 1);

/** One deposit as its client seals it: the same files give the same bytes, however often. */
export class Deposit {
  #request;
  #journal;
  /** The hash of each sealed part, by page. @type {Uint8Array[][]} */
  #sealed;
  #digests;
  /** The hash of the manifest that was made. @type {string | undefined} */
  #finished;

  /**
   * @param {{ vault: Uint8Array, request: Uint8Array, carrierKey: Uint8Array, issued: bigint, expires: bigint, answerWithin: bigint, digest: Uint8Array, seed: Uint8Array, journalKey: Uint8Array }} request
   * @param {{ deposit: Uint8Array, key: Uint8Array, sealedKey: Uint8Array, files: FileInfo[] }} journal
   */
  constructor(request, journal) {
    this.#request = request;
    this.#journal = journal;
    this.#sealed = journal.files.map(() => []);
    this.#digests = journal.files.map(() => blake3.create({}));
  }

  /** The deposit's id, in hexadecimal. */
  get id() {
    return hex(this.#journal.deposit);
  }

  /** @returns {FileInfo[]} */
  get files() {
    return this.#journal.files;
  }

  /**
   * What to keep, before the first part is sent, to go on after a reload. Without the link it opens nothing.
   *
   * @param {Random} random
   */
  journal(random = platformRandom) {
    const { deposit, key, sealedKey, files } = this.#journal;
    const w = new Writer().fixed(key).fixed(sealedKey).u32(files.length);
    files.forEach((file) => w.text(file.name).text(file.mediaType).u64(file.length));
    const bound = context('deposit journal', this.#request.digest, deposit);
    const sealed = seal(this.#request.journalKey, bound, random(24), pad(w.done()));
    return concat(magic('dvdj'), this.#request.request, deposit, sealed);
  }

  /** The parts to be sealed and sent, in order. @returns {{ page: number, part: number }[]} */
  places() {
    return this.files.flatMap((file, page) => Array.from({ length: partsOf(file.length) }, (_, part) => ({ page, part })));
  }

  /** The bytes of its file that a part holds. @param {number} page @param {number} part */
  range(page, part) {
    const length = this.files[page]?.length ?? 0;
    const start = Math.min(part * PART_LEN, length);
    return { start, end: Math.min(start + PART_LEN, length) };
  }

  /**
   * Seals and signs a part; of each page from part 0 on. `content` is what the file holds in `range`.
   *
   * @param {number} page @param {number} part @param {Uint8Array} content @returns {Uint8Array} the bytes to be sent
   */
  sealPart(page, part, content) {
    const file = this.files[page];
    const parts = file ? partsOf(file.length) : 0;
    const done = this.#sealed[page]?.length ?? 0;
    if (!Number.isInteger(part) || part < 0 || part >= parts || part > done) {
      throw new DepositError('invalid', 'the deposit has no such part, or one before it was not sealed yet');
    }
    const { start, end } = this.range(page, part);
    if (content.length !== end - start) throw changed(page);
    const padded = new Uint8Array(Math.min(padme(file.length) - part * PART_LEN, PART_LEN));
    padded.set(content);
    const last = part + 1 === parts ? 1 : 0;
    const { deposit, key } = this.#journal;
    const place = new Writer().u16(page).u32(part).u8(last).done();
    const bound = context(
      'deposit part', this.#request.digest, deposit, place.slice(0, 2), place.slice(2, 6), place.slice(6),
    );
    const sealed = sealSame(key, bound, padded);
    const hash = sha256(sealed);
    if (part < done && !equal(this.#sealed[page][part], hash)) throw changed(page);
    if (part === done) {
      this.#sealed[page].push(hash);
      this.#digests[page].update(content);
    }
    const header = new Writer().fixed(magic('dvdp')).fixed(this.#request.request).fixed(deposit).fixed(place);
    const start152 = header.fixed(new Uint8Array(5)).u32(sealed.length).fixed(hash).done();
    const signature = sign(this.#request.seed, 'sign deposit part', concat(this.#request.digest, start152));
    return concat(start152, signature, sealed);
  }

  /**
   * Every part in order, sealed from the files; those that the carrier has already come without bytes, for they
   * need not be sent.
   *
   * @param {Blob[]} blobs the files, in the order in which the deposit was begun
   * @param {HeldPart[]} held what the carrier says that it has
   * @returns {AsyncGenerator<{ page: number, part: number, held: boolean, bytes: Uint8Array, index: number, count: number }>}
   */
  async *parts(blobs, held = []) {
    if (blobs.length !== this.files.length) throw changed(Math.min(blobs.length, this.files.length));
    const known = new Map(held.map((part) => [`${part.page} ${part.part}`, part.sha256]));
    const places = this.places();
    for (const [index, { page, part }] of places.entries()) {
      const { start, end } = this.range(page, part);
      const blob = blobs[page];
      if (!blob || blob.size !== this.files[page].length) throw changed(page);
      const bytes = this.sealPart(page, part, new Uint8Array(await blob.slice(start, end).arrayBuffer()));
      const has = known.get(`${page} ${part}`);
      if (has !== undefined && has !== hex(this.#sealed[page][part])) throw changed(page);
      yield { page, part, held: has !== undefined, bytes, index, count: places.length };
    }
  }

  /**
   * The manifest that completes the deposit, once every part was sealed: the bytes to be sent last. There is one of each
   * deposit: keep it before it is sent, and begin another deposit for another form.
   *
   * @param {Record<string, string>} form @param {string} comment @returns {Uint8Array}
   */
  finish(form = {}, comment = '') {
    this.files.forEach((file, page) => {
      if (this.#sealed[page].length !== partsOf(file.length)) {
        throw new DepositError('invalid', `page ${page} is not sealed yet`);
      }
    });
    const { deposit, key, sealedKey, files } = this.#journal;
    const outline = new Writer().fixed(magic('dvdm')).fixed(this.#request.request).fixed(deposit).fixed(sealedKey);
    outline.u32(files.length);
    this.#sealed.forEach((parts) => {
      outline.u32(parts.length);
      parts.forEach((hash) => outline.fixed(hash));
    });
    const contents = new Writer().u32(files.length);
    files.forEach((file, page) => {
      contents.text(file.name).text(file.mediaType).u64(file.length).fixed(this.#digests[page].clone().digest());
    });
    writeForm(contents, form);
    within('the comment', comment, 4096);
    contents.text(comment);
    const clear = outline.done();
    const bound = context('deposit manifest', this.#request.digest, clear);
    const unsigned = concat(clear, new Writer().bytes(sealSame(key, bound, pad(contents.done()))).done());
    const signature = sign(this.#request.seed, 'sign deposit manifest', concat(this.#request.digest, unsigned));
    const manifest = concat(unsigned, signature);
    const made = hex(sha256(manifest));
    this.#finished ??= made;
    if (this.#finished !== made) {
      throw new DepositError('invalid', 'the deposit was finished with another form or comment: begin another deposit');
    }
    return manifest;
  }

  /**
   * Takes the carrier's promise for the manifest that was sent. Keep its bytes, and the request's.
   *
   * @param {Uint8Array} promise @param {Uint8Array} manifest @returns {Promised}
   */
  checkPromise(promise, manifest) {
    return sound('the promise', () => {
      const r = new Reader(promise);
      r.expect(magic('dvpr'));
      [this.#request.vault, this.#request.request, this.#journal.deposit, this.#request.digest].forEach((field) => r.expect(field));
      const manifestDigest = r.take(32);
      const [sealedBytes, time, answerBy] = [r.u64(), r.bigint(), r.bigint()];
      const signed = r.before();
      const signature = r.take(64);
      r.finish();
      const sum = time + this.#request.answerWithin;
      const by = sum > MAX_U64 ? MAX_U64 : sum;
      const inTime = this.#request.issued <= time && time < this.#request.expires;
      const own = equal(manifestDigest, sha256(manifest)) && inTime && answerBy === by;
      if (!own || !verifies(this.#request.carrierKey, 'sign deposit promise', signed, signature)) throw new Malformed();
      return { deposit: this.id, manifestDigest, sealedBytes, time: Number(time), answerBy: Number(answerBy), bytes: promise };
    });
  }

  /**
   * Opens an answer of the office: what it claims, and the receipt's bytes, which anyone verifies offline with
   * `DepositReceipt::verify`. That the claim stands in the office's log is NOT checked here. `number` is its place
   * among the answers as the carrier shows them, from 0. Which is the newest is told by the claims' times, not by
   * that: the carrier told the office which numbers were free.
   *
   * @param {Uint8Array} answer @param {number} number @returns {Answered}
   */
  openAnswer(answer, number) {
    return sound('the answer', () => {
      const r = new Reader(answer);
      r.expect(magic('dvda'));
      r.expect(this.#request.request);
      r.expect(this.#journal.deposit);
      const said = r.take(2);
      if (number !== said[0] * 256 + said[1]) throw new Malformed();
      r.zeros(6);
      const bound = context('deposit answer', this.#request.digest, this.#journal.deposit, said);
      const bytes = unpad(open(this.#journal.key, bound, r.rest()));
      const receipt = new Reader(bytes);
      receipt.expect(magic('dvdr'));
      const claim = readClaim(new Reader(receipt.bytes(4096)), [this.#request.vault, this.#request.request, this.#journal.deposit]);
      return { ...claim, bytes };
    });
  }
}

/** @param {Reader} r @param {Uint8Array[]} named */
function readClaim(r, [vault, request, deposit]) {
  r.expect(magic('dvcl'));
  r.expect(vault);
  r.take(16);
  r.expect(request);
  r.expect(deposit);
  const verdict = /** @type {Verdict | undefined} */ ([undefined, 'accepted', 'refused', 'quarantined'][r.u8()]);
  r.zeros(7);
  const [reason, requirement] = [r.text(64), r.text(128)];
  r.take(32);
  const time = r.u64();
  const pages = r.list(FILES_CAP, (r) => ({ length: r.u64(), digest: hex(r.take(32)) }));
  r.finish();
  if (!verdict || (verdict === 'accepted') !== (reason === '')) throw new Malformed();
  return { verdict, reason, requirement, time, pages };
}

/** Attributes of FORMAT §7.2: ascending by the bytes of their names. @param {Writer} w @param {Record<string, string>} form */
function writeForm(w, form) {
  const order = (/** @type {Uint8Array} */ a, /** @type {Uint8Array} */ b) => {
    const at = a.findIndex((byte, i) => byte !== b[i]);
    return at < 0 ? a.length - b.length : a[at] - (b[at] ?? -1);
  };
  const fields = Object.entries(form).sort(([a], [b]) => order(ascii(a), ascii(b)));
  if (fields.length > 64) throw new DepositError('invalid', `${fields.length} fields; at most 64 are kept`);
  w.u32(fields.length);
  for (const [name, value] of fields) {
    within("a field's name", name, 128);
    within("a field's value", value, 4096);
    w.text(name).text(value);
  }
}

const MAX_U64 = 2n ** 64n - 1n;

/** @param {number} page */
const changed = (page) => new DepositError(
  'changed', `page ${page} is not the file that the deposit was begun with: begin another deposit for it`,
);

export { base64url, hex, parseHex };
