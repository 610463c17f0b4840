import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';
import { ascii, base64url, concat, hex, parseBase64url, parseHex } from '../lib/bytes.js';
import { hpkeOpen, hpkeSeal, open, pad, padme, publicKey, seal, sign, unpad, verifies } from '../lib/crypto.js';

/** Blocks of `name = hexadecimal` lines. */
const blocks = (name) => readFileSync(new URL(`../../tests/vectors/${name}`, import.meta.url), 'utf8')
  .split('\n\n').map((block) => Object.fromEntries(
    [...block.matchAll(/^(\w+) = ([0-9a-f]*)$/gm)].map(([, key, value]) => [key, parseHex(value)]),
  )).filter((block) => Object.keys(block).length > 0);

test('X-Wing is the one of the draft', () => {
  const vectors = blocks('xwing.txt');
  assert.ok(vectors.length >= 3);
  for (const { seed, eseed, pk, ct } of vectors) {
    assert.deepEqual(xwing.keygen(seed).publicKey, pk);
    const made = xwing.encapsulate(pk, eseed);
    assert.deepEqual(made.cipherText, ct);
    assert.deepEqual(xwing.decapsulate(ct, seed), made.sharedSecret);
  }
});

test('HPKE opens the published message, and its own', () => {
  const [{ info, skRm, pkRm, enc, aad, pt, ct }] = blocks('hpke_xwing.txt');
  assert.deepEqual(hpkeOpen(skRm, info, aad, concat(enc, ct)), pt);
  const sealed = hpkeSeal(pkRm, info, aad, ascii('secret'), (length) => new Uint8Array(length).fill(7));
  assert.deepEqual(hpkeOpen(skRm, info, aad, sealed), ascii('secret'));
  assert.throws(() => hpkeOpen(skRm, concat(info, aad), aad, sealed));
});

test('a seal opens whole for its key and context, and not otherwise', () => {
  const [key, bound, salt] = [new Uint8Array(32).fill(1), ascii('context'), new Uint8Array(24).fill(2)];
  for (const length of [0, 1, 16383, 16384, 16385, 32768]) {
    const content = new Uint8Array(length).map((_, i) => i & 255);
    const sealed = seal(key, bound, salt, content);
    assert.deepEqual(open(key, bound, sealed), content);
    assert.throws(() => open(key, ascii('contexu'), sealed));
    assert.throws(() => open(new Uint8Array(32), bound, sealed));
    for (const cut of [0, 1, 55, 56, 71, sealed.length - 1]) assert.throws(() => open(key, bound, sealed.slice(0, cut)));
    assert.throws(() => open(key, bound, concat(sealed, Uint8Array.of(0))));
    for (let at = 0; at < sealed.length; at += 1 + Math.floor(sealed.length / 200)) {
      const altered = sealed.slice();
      altered[at] ^= 1;
      assert.throws(() => open(key, bound, altered), `${length} ${at}`);
    }
  }
});

test('padding comes off, and is checked', () => {
  for (const length of [0, 1, 251, 252, 253, 600]) {
    const padded = pad(new Uint8Array(length).fill(9));
    assert.equal(padded.length % 256, 0);
    assert.equal(unpad(padded).length, length);
    if (padded[padded.length - 1] === 0) {
      padded[padded.length - 1] = 1;
      assert.throws(() => unpad(padded));
    }
  }
  assert.deepEqual([0, 1, 2, 9, 100, 1_000_001, 2 ** 40].map(padme), [0, 1, 2, 10, 104, 1_015_808, 2 ** 40]);
});

test('signatures hold for their label, message and key alone, and without the cofactor', () => {
  const [seed, message] = [new Uint8Array(32).fill(3), ascii('message')];
  const key = publicKey(seed);
  const signature = sign(seed, 'label', message);
  assert.ok(verifies(key, 'label', message, signature));
  assert.ok(!verifies(key, 'labels', message, signature));
  assert.ok(!verifies(key, 'label', ascii('massage'), signature));
  assert.ok(!verifies(publicKey(new Uint8Array(32)), 'label', message, signature));
  for (let bit = 0; bit < 512; bit += 5) {
    const altered = signature.slice();
    altered[bit >> 3] ^= 1 << (bit & 7);
    assert.ok(!verifies(key, 'label', message, altered));
  }
  assert.ok(!verifies(new Uint8Array(32), 'label', message, signature), 'a key of small order');

  // R with a part of small order, signed by the key's holder: right with the cofactor, wrong without.
  const { Point } = ed25519;
  const { scalar } = ed25519.utils.getExtendedPublicKey(seed);
  const torsion = Point.fromBytes(parseHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'));
  const order = Point.Fn.ORDER;
  const signed = concat(ascii('docvault/v1/label'), Uint8Array.of(0), message);
  const number = (bytes) => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const r = 12345n;
  const R = Point.BASE.multiply(r).add(torsion).toBytes();
  const k = number(sha512(concat(R, key, signed))) % order;
  const S = parseHex(((r + k * scalar) % order).toString(16).padStart(64, '0')).reverse();
  const mixed = concat(R, S);
  assert.ok(ed25519.verify(mixed, signed, key), 'noble takes it');
  assert.ok(!verifies(key, 'label', message, mixed));
});

test('base64url has one text', () => {
  for (const length of [0, 1, 2, 3, 65]) {
    const bytes = new Uint8Array(length).map((_, i) => (i * 97) & 255);
    assert.deepEqual(parseBase64url(base64url(bytes)), bytes);
  }
  for (const text of ['A', 'AB', 'Zh', 'Zg==', 'Z+', 'Z/8', 'Zm 9']) assert.throws(() => parseBase64url(text), text);
  assert.equal(hex(parseHex('00ff')), '00ff');
  assert.throws(() => parseHex('0'));
});
