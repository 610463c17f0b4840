import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRequest } from '../docvault-deposit.js';
import { hex, parseHex } from '../lib/bytes.js';
import { sha256 } from '../lib/crypto.js';
import { deposits, options, pattern, plain, scripted } from './vectors.mjs';

const opened = () => openRequest(parseHex(plain.descriptor), plain.url, options(plain));
const blobs = (vector) => vector.files.map((file, page) => new Blob([pattern(page, file.length)]));
const sealAll = async (deposit, files, held) => {
  const parts = [];
  for await (const part of deposit.parts(files, held)) parts.push(part);
  return parts;
};

test('the same inputs give the bytes that the crate makes', async () => {
  for (const vector of deposits) {
    const random = scripted(vector.random);
    const deposit = (await opened()).begin(vector.slot, vector.files, random);
    assert.equal(deposit.id, vector.id);
    assert.equal(hex(deposit.journal(random)), vector.journal);
    const parts = await sealAll(deposit, blobs(vector));
    assert.deepEqual(
      parts.map(({ page, part, bytes }) => ({ page, part, sha256: hex(sha256(bytes)) })),
      vector.parts.map(({ page, part, sha256 }) => ({ page, part, sha256 })),
    );
    vector.parts.forEach(({ bytes }, i) => bytes && assert.equal(hex(parts[i].bytes), bytes));
    assert.equal(hex(deposit.finish(vector.form, vector.comment)), vector.manifest);
  }
});

test('a journal goes on where it was, and what is held is not sent again', async () => {
  for (const vector of deposits) {
    const request = await opened();
    const deposit = request.resume(parseHex(vector.journal));
    assert.deepEqual(deposit.files, vector.files);
    const held = vector.parts.slice(0, 2).map(({ page, part, sealed }) => ({ page, part, sha256: sealed }));
    const parts = await sealAll(deposit, blobs(vector), held);
    assert.deepEqual(parts.map((part) => part.held), vector.parts.map((_, i) => i < 2));
    assert.equal(hex(deposit.finish(vector.form, vector.comment)), vector.manifest);

    const altered = parseHex(vector.journal);
    altered[60] ^= 1;
    assert.throws(() => request.resume(altered), { code: 'corrupt' });
  }
});

test('promises and answers of the crate are taken, and no others', async () => {
  for (const vector of deposits) {
    const deposit = (await opened()).resume(parseHex(vector.journal));
    const [promise, manifest] = [parseHex(vector.promise), parseHex(vector.manifest)];
    const { answerBy, sealedBytes, deposit: id } = deposit.checkPromise(promise, manifest);
    assert.deepEqual({ answerBy, sealedBytes, id }, { answerBy: vector.answerBy, sealedBytes: vector.sealedBytes, id: vector.id });
    for (let at = 0; at < promise.length; at += 1) {
      const altered = promise.slice();
      altered[at] ^= 4;
      assert.throws(() => deposit.checkPromise(altered, manifest), { code: 'corrupt' });
    }
    assert.throws(() => deposit.checkPromise(promise, manifest.slice(1)), { code: 'corrupt' });

    const { bytes, ...claim } = deposit.openAnswer(parseHex(vector.answer), 0);
    assert.deepEqual(claim, vector.claim);
    assert.equal(hex(bytes), vector.receipt);
    assert.throws(() => deposit.openAnswer(parseHex(vector.answer), 1), { code: 'corrupt' });
    const altered = parseHex(vector.answer);
    altered[altered.length - 1] ^= 1;
    assert.throws(() => deposit.openAnswer(altered, 0), { code: 'corrupt' });
    const other = (await opened()).resume(parseHex(deposits.find(({ id }) => id !== vector.id).journal));
    assert.throws(() => other.checkPromise(promise, manifest), { code: 'corrupt' });
    assert.throws(() => other.openAnswer(parseHex(vector.answer), 0), { code: 'corrupt' });
  }
});

test('a request that has expired is opened for what was begun before, and nothing is begun', async () => {
  const vector = deposits[0];
  const at = (now) => openRequest(parseHex(plain.descriptor), plain.url, { ...options(plain), now });
  const last = (await opened()).expires;
  assert.equal((await at(last - 1)).expired, false);
  (await at(last - 1)).begin(vector.slot, vector.files);
  const late = await at(last);
  assert.equal(late.expired, true);
  assert.throws(() => late.begin(vector.slot, vector.files), { code: 'expired' });
  const deposit = late.resume(parseHex(vector.journal));
  deposit.checkPromise(parseHex(vector.promise), parseHex(vector.manifest));
  deposit.openAnswer(parseHex(vector.answer), 0);
});

test('what goes on has as many files as it began with', async () => {
  const vector = deposits[0];
  const files = blobs(vector);
  for (const others of [[...files, files[0]], files.slice(1), []]) {
    const deposit = (await opened()).resume(parseHex(vector.journal));
    await assert.rejects(sealAll(deposit, others), { code: 'changed' });
  }
});

test('another file does not go on with the deposit of the first', async () => {
  const vector = deposits[0];
  const deposit = (await opened()).resume(parseHex(vector.journal));
  const held = vector.parts.map(({ page, part, sealed }) => ({ page, part, sha256: sealed }));
  const files = blobs(vector);
  const changed = pattern(9, vector.files[0].length);
  await assert.rejects(sealAll(deposit, [new Blob([changed]), files[1]], held), { code: 'changed' });
  await assert.rejects(sealAll((await opened()).resume(parseHex(vector.journal)), [files[1], files[0]]), { code: 'changed' });
  const again = (await opened()).resume(parseHex(vector.journal));
  const { end } = again.range(0, 0);
  const first = again.sealPart(0, 0, pattern(0, end));
  assert.deepEqual(again.sealPart(0, 0, pattern(0, end)), first);
  assert.throws(() => again.sealPart(0, 0, pattern(1, end)), { code: 'changed' });
  assert.throws(() => again.sealPart(0, 0, pattern(0, end - 1)), { code: 'changed' });
  for (const [page, part] of [[0, 9], [2, 0], [0, -1], [0, 0.5]]) {
    assert.throws(() => again.sealPart(page, part, new Uint8Array(0)), { code: 'invalid' });
  }
  assert.throws(() => again.finish(), { code: 'invalid' });
});

test('what a slot does not take is refused before it is sealed', async () => {
  const request = await opened();
  const file = (length, mediaType = 'image/jpeg', name = 'a') => ({ name, mediaType, length });
  request.checkFiles(0, [file(3 << 20, 'IMAGE/PNG'), file(0)]);
  for (const [slot, files] of [
    [2, [file(1)]], [0, []], [0, [file(1), file(1), file(1)]], [0, [file((3 << 20) + 1)]],
    [0, [file(1, 'application/pdf')]], [1, [file(0)]], [0, [file(1, 'image/png', 'ñ'.repeat(513))]],
  ]) assert.throws(() => request.begin(slot, files), { code: 'invalid' });
  const deposit = request.begin(1, []);
  assert.throws(() => deposit.finish({}, 'x'.repeat(4097)), { code: 'invalid' });
  assert.throws(() => deposit.finish({ ['x'.repeat(129)]: '' }), { code: 'invalid' });
  assert.throws(() => deposit.finish({ x: 'y'.repeat(4097) }), { code: 'invalid' });
  const fields = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, '']));
  assert.throws(() => deposit.finish(fields), { code: 'invalid' });
});

test('two deposits of one file have nothing in common', async () => {
  const request = await opened();
  const vector = deposits[1];
  const [a, b] = [request.begin(0, vector.files), request.begin(0, vector.files)];
  assert.notEqual(a.id, b.id);
  const [[one], [two]] = [await sealAll(a, blobs(vector)), await sealAll(b, blobs(vector))];
  assert.notDeepEqual(one.bytes.slice(152, 176), two.bytes.slice(152, 176));
});
