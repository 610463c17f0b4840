// That neither the carrier's folder nor what was sent to it holds the link's secret, or anything that was handed in.
import { strict as assert } from 'node:assert';
import { readFile, readdir } from 'node:fs/promises';

/** @param {string} folder */
export async function contents(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => readFile(`${entry.parentPath ?? entry.path}/${entry.name}`));
  return Buffer.concat([Buffer.from(entries.map((entry) => entry.name).join('\n')), ...(await Promise.all(files))]);
}

/** What must not be found: name and bytes of each. @param {string} link @param {any[]} papers @param {string[]} words */
export function secrets(link, papers, words) {
  const fragment = link.slice(link.indexOf('#') + 1);
  const secret = Buffer.from(fragment, 'base64url').subarray(33);
  assert.equal(secret.length, 32);
  const found = [
    ['the fragment', Buffer.from(fragment)], ['the secret', secret], ['the secret in hexadecimal', Buffer.from(secret.toString('hex'))],
    ['the secret in base64', Buffer.from(secret.toString('base64'))], ['the end of the fragment', Buffer.from(fragment.slice(-24))],
  ];
  for (const paper of papers.flat()) {
    found.push([`the name ${paper.name}`, Buffer.from(paper.name)], [`the name ${paper.name}, encoded`, Buffer.from(encodeURIComponent(paper.name))]);
    const middle = Math.floor(paper.bytes.length / 2);
    found.push([`content of ${paper.name}`, paper.bytes.subarray(middle, middle + 32)], [`the start of ${paper.name}`, paper.bytes.subarray(0, 24)]);
  }
  words.forEach((word) => found.push([`the word ${word}`, Buffer.from(word)]));
  return found;
}

/** @param {string} where @param {Buffer} bytes @param {[string, Buffer][]} secrets */
export function assertAbsent(where, bytes, secrets) {
  assert.ok(bytes.length > 100_000, `${where} has next to nothing`);
  for (const [what, secret] of secrets) assert.equal(bytes.indexOf(secret), -1, `${what} is in ${where}`);
}
