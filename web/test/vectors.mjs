// What the other tests share: the vectors that the Rust crate writes.
import { readFileSync } from 'node:fs';
import { parseHex } from '../lib/bytes.js';

const read = (name) => JSON.parse(readFileSync(new URL(`../../tests/vectors/deposit/${name}`, import.meta.url), 'utf8'));

export const requests = read('requests.json');
export const deposits = read('deposits.json').deposits;
export const plain = requests.requests.find((request) => request.name === 'plain');

/** The content of a page in the vectors. */
export const pattern = (seed, length) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed) & 255);

/** Gives what the vectors' writer drew, in order; of each draw as much as is asked for. */
export function scripted(draws) {
  const left = draws.map(parseHex);
  return (length) => {
    const draw = left.shift();
    if (!draw || draw.length < length) throw new Error('the script is over');
    return draw.slice(0, length);
  };
}

export const options = ({ now, passphrase }) => ({ now, passphrase: passphrase ?? undefined });
