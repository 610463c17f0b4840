import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DepositError, asksPassphrase, openRequest, parseLink } from '../docvault-deposit.js';
import { hex, parseHex } from '../lib/bytes.js';
import { options, plain, requests } from './vectors.mjs';

test('requests of the crate open and say the same', async () => {
  for (const vector of requests.requests) {
    const descriptor = parseHex(vector.descriptor);
    assert.equal(asksPassphrase(descriptor), vector.passphrase !== null);
    const opened = await openRequest(descriptor, vector.url, options(vector));
    const { id, case: caseId, expires, policy, presentation, slots } = opened;
    assert.deepEqual({ id, case: caseId, expires, policy, presentation: hex(presentation), slots }, vector.expect);
  }
});

test('what the crate refuses is refused for the same reason', async () => {
  for (const vector of requests.refused) {
    const opening = openRequest(parseHex(vector.descriptor), vector.url, options(vector));
    await assert.rejects(opening, (error) => error instanceof DepositError && error.code === vector.code, vector.code);
  }
});

test('no byte of a request can be another', async () => {
  const descriptor = parseHex(plain.descriptor);
  for (let at = 0; at < descriptor.length; at += 7) {
    const altered = descriptor.slice();
    altered[at] ^= 1;
    await assert.rejects(openRequest(altered, plain.url, options(plain)), { code: 'corrupt' });
  }
});

test('there is no link without a secret', () => {
  const fragment = plain.url.split('#')[1];
  assert.equal(parseLink(fragment).secret.length, 32);
  const zero = `${fragment.slice(0, 44)}${'A'.repeat(43)}`;
  for (const text of ['', '#', fragment.slice(1), `${fragment}A`, zero, 'A'.repeat(87)]) {
    assert.throws(() => parseLink(text), { code: 'invalid' }, text);
  }
});
